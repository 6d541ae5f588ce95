# SPDX-License-Identifier: BSD-2-Clause
# Completion of convene and convenectl for fish. The program itself says what may stand.

function __convene_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l program $typed[1]
    set -e typed[1]

    for line in ($program complete -- $typed "$current" 2>/dev/null)
        switch $line
            case :files :folders
                set -l before (string match -r -- '^--[^=]*=' $current)
                set -l paths
                set -l path (string replace -r -- '^--[^=]*=' '' $current)
                if test $line = :files
                    set -a paths (__fish_complete_path "$path")
                else
                    set -a paths (__fish_complete_directories "$path" '')
                end
                for path in $paths
                    echo -- "$before$path"
                end
            case '*'
                echo -- $line
        end
    end
end

complete -c convene -f -k -a '(__convene_complete)'
complete -c convenectl -f -k -a '(__convene_complete)'
