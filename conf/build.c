/* SPDX-License-Identifier: BSD-2-Clause */
/* From blocks to one struct conf, each option by the schema: unknown ones, those set twice, those
 * missing, and the defaults of those left out. What options say together is check.c's. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/parse.h"

static size_t option_index(const struct option_schema *option)
{
	return (size_t)(option - option_table);
}

static const char *example(const struct option_schema *option)
{
	switch (option->type) {
	case TYPE_ORG:
		return "\"isoc.example\"";
	case TYPE_PATH:
		return "\"/etc/convene/forum.charter\"";
	case TYPE_LISTEN:
		return option->section == SECTION_NNTP ? "{\"127.0.0.1:1119\"}"
						       : "{\"127.0.0.1:8080\"}";
	case TYPE_KEY:
		return "\"ripe.example+3f1c9a2b+AZ...\", from the peer's block";
	default:
		return "VALUE";
	}
}

static void report_unknown(struct builder *b, const struct block *block, const struct item *item)
{
	const char *name = item->name, *section = NULL, *guess;

	for (int s = 0; s < SECTIONS && !section; s++)
		if (s != (int)block->section && option_find((enum conf_section)s, name))
			section = section_table[s].name;
	if (block->section == SECTIONS) {
		error_add(b->errors, item->line, "%s stands outside of a block; %s%s%s", name,
		    section ? "move it into " : "remove it", section ? section : "",
		    section ? " { ... }" : "");
		return;
	}
	guess = option_guess(block->section, name);
	if (section_find(name) != SECTIONS)
		error_add(b->errors, item->line,
		    "%s has no option %s; that is a block of its own: write %s%s { ... }",
		    section_table[block->section].name, name, name,
		    section_table[section_find(name)].title ? " NAME" : "");
	else if (guess)
		error_add(b->errors, item->line, "%s has no option %s; did you mean %s?",
		    section_table[block->section].name, name, guess);
	else if (section)
		error_add(b->errors, item->line, "%s has no option %s; it belongs in %s { ... }",
		    section_table[block->section].name, name, section);
	else
		error_add(b->errors, item->line,
		    "%s has no option %s; remove it (convened.conf(5) lists them all)",
		    section_table[block->section].name, name);
}

static bool grow(struct builder *b, void *list, size_t *count, size_t size)
{
	void **at = list, *more = *at;

	/* Doubled whenever full, so the capacity is the next power of two. */
	if ((*count & (*count - 1)) == 0)
		more = realloc(more, (*count ? *count * 2 : 1) * size);
	if (!more) {
		b->errors->nomem = true;
		return false;
	}
	*at = more;
	memset((char *)more + *count * size, 0, size);
	return true;
}

static void take_listen(struct builder *b, const struct item *item)
{
	const struct option_schema *option = item->option;
	size_t *kept, count;
	struct conf_address **list = listen_of(b->conf, option, &kept), address;
	unsigned **lines = &b->listen_lines[option->section];

	count = *kept;

	if (!value_parse(option, item->value, item->line, b->folder, &address, b->errors))
		return;
	for (size_t i = 0; i < count; i++) {
		if (strcmp((*list)[i].text, address.text) == 0) {
			error_add(b->errors, item->line,
			    "%s: %s stands twice, first on line %u; remove one", option->full,
			    address.text, (*lines)[i]);
			return;
		}
	}
	if (count == option->max) {
		error_add(b->errors, item->line, "%s: too many addresses; at most %u", option->full,
		    option->max);
		return;
	}
	if (!grow(b, list, &count, sizeof address) || !grow(b, lines, &count, sizeof(unsigned)))
		return;
	(*list)[count] = address;
	(*lines)[count] = item->line;
	++*kept;
}

/* Give back what an earlier assignment put into a string field. */
static void field_clear(const struct option_schema *option, void *field)
{
	if (type_is_string(option->type)) {
		free(*(char **)field);
		*(char **)field = NULL;
	}
}

/* Does the next item carry on the list of this one? */
static bool is_list(const struct block *block, size_t i)
{
	return i + 1 < block->count && block->items[i + 1].append &&
	       block->items[i].option == block->items[i + 1].option;
}

static void take_items(
    struct builder *b, const struct block *block, void *base, struct lines *lines)
{
	for (size_t i = 0; i < block->count; i++) {
		const struct item *item = &block->items[i];
		const struct option_schema *option = item->option;
		void *field;
		size_t at;

		if (!option) {
			if (!item->append && !item->bad)
				report_unknown(b, block, item);
			option = option_find(
			    block->section, option_guess(block->section, item->name));
			if (option)
				lines->meant[option_index(option)] = true;
			continue;
		}
		at = option_index(option);
		if (lines->at[at] > 0 && !(item->append && option->type == TYPE_LISTEN)) {
			error_add(b->errors, item->line,
			    "%s is set again, after line %u; only one can hold: remove one",
			    option->full, lines->at[at]);
			if (option->type == TYPE_LISTEN) {
				size_t *count;

				listen_of(b->conf, option, &count);
				*count = 0;
			}
		}
		if (option->type != TYPE_LISTEN && is_list(block, i)) {
			error_add(b->errors, item->line,
			    "%s takes one value, not several; write %s = VALUE", option->full,
			    option->name);
			lines->at[at] = item->line;
			while (is_list(block, i))
				i++;
			continue;
		}
		lines->at[at] = item->line;
		if (item->bad)
			continue;
		if (option->type == TYPE_LISTEN) {
			take_listen(b, item);
			continue;
		}
		field = (char *)base + option->offset;
		field_clear(option, field);
		lines->good[at] = value_parse(
		    option, item->value, item->line, b->folder, field, b->errors);
	}
}

static void require(struct builder *b, enum conf_section section, const struct lines *lines)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *option = &option_table[i];

		if (option->section == section && option->required && lines->at[i] == 0 &&
		    !lines->meant[i] && !lines->broken)
			error_add(b->errors, lines->block, "%s is missing: %s; add %s = %s",
			    option->full, option->doc, option->name, example(option));
	}
}

static void take_presets(
    struct builder *b, enum conf_section section, void *base, const struct lines *lines)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *option = &option_table[i];
		struct item item = {.option = option, .value = (char *)option->preset};

		if (option->section != section || !option->preset || lines->at[i] > 0)
			continue;
		if (option->type == TYPE_LISTEN) {
			take_listen(b, &item);
			continue;
		}
		/* A second block of the section may have left something here. */
		field_clear(option, (char *)base + option->offset);
		value_parse(
		    option, option->preset, 0, b->folder, (char *)base + option->offset, b->errors);
	}
}

static bool title_good(struct builder *b, const struct block *block)
{
	const char *section = section_table[block->section].name;

	/* load.c has told already. */
	if (!block->title)
		return false;
	if (org_name_valid(bytes_str(block->title)))
		return true;
	error_add(b->errors, block->line,
	    "%s \"%.100s\": the title must be an organisation's name, which is a DNS name of a-z, "
	    "0-9, '-' and at least one dot, at most 100 bytes: write %s \"ripe.example\" { ... }",
	    section, block->title, section);
	return false;
}

static bool too_many(struct builder *b, const struct block *block, size_t count)
{
	if (count < CONF_PEERS_MAX)
		return false;
	if (count == CONF_PEERS_MAX)
		error_add(b->errors, block->line, "too many %s blocks; at most %d",
		    section_table[block->section].name, CONF_PEERS_MAX);
	return true;
}

static void take_peer(struct builder *b, const struct block *block)
{
	struct conf *conf = b->conf;
	size_t count = conf->peer_count;
	struct lines lines = {.block = block->line, .broken = block->broken};
	struct conf_peer *peer;
	size_t address = option_index(option_find(SECTION_PEER, "address"));
	size_t key = option_index(option_find(SECTION_PEER, "key"));

	if (too_many(b, block, count) || !grow(b, &conf->peers, &count, sizeof *conf->peers) ||
	    !grow(b, &b->peer_lines, &count, sizeof *b->peer_lines))
		return;
	peer = &conf->peers[conf->peer_count++];
	take_items(b, block, peer, &lines);
	require(b, SECTION_PEER, &lines);
	peer->name = strdup(title_good(b, block) ? block->title : "");
	b->errors->nomem |= !peer->name;
	b->peer_lines[count].block = block->line;
	b->peer_lines[count].address = lines.good[address] ? lines.at[address] : 0;
	b->peer_lines[count].key = lines.good[key] ? lines.at[key] : 0;
}

static void take_origin(struct builder *b, const struct block *block)
{
	struct conf *conf = b->conf;
	size_t count = conf->origin_count;
	struct lines lines = {.block = block->line, .broken = block->broken};
	struct conf_origin *origin;

	if (too_many(b, block, count) || !grow(b, &conf->origins, &count, sizeof *conf->origins) ||
	    !grow(b, &b->origin_lines, &count, sizeof *b->origin_lines))
		return;
	origin = &conf->origins[conf->origin_count++];
	take_items(b, block, origin, &lines);
	take_presets(b, SECTION_ORIGIN, origin, &lines);
	origin->name = strdup(title_good(b, block) ? block->title : "");
	b->errors->nomem |= !origin->name;
	b->origin_lines[count] = block->line;
}

static void take_single(struct builder *b, const struct block *block)
{
	struct lines *known = &b->single[block->section], again = {.block = block->line};

	if (known->block == 0) {
		known->block = block->line;
		known->broken = block->broken;
		take_items(b, block, b->conf, known);
		return;
	}
	error_add(b->errors, block->line,
	    "%s stands twice, first on line %u; put all of it into one block",
	    section_table[block->section].name, known->block);
	take_items(b, block, b->conf, &again);
	known->broken = true;
}

static void take_block(struct builder *b, const struct block *block)
{
	switch (block->section) {
	case SECTION_NODE:
	case SECTION_LIMITS:
	case SECTION_LOG:
	case SECTION_WEB:
	case SECTION_NNTP:
		take_single(b, block);
		break;
	case SECTION_PEER:
		take_peer(b, block);
		break;
	case SECTION_ORIGIN:
		take_origin(b, block);
		break;
	case SECTIONS:
		b->lost |= block->broken;
		for (size_t i = 0; i < block->count; i++)
			if (!block->items[i].append && !block->items[i].bad)
				report_unknown(b, block, &block->items[i]);
		break;
	}
}

int conf_build(
    struct conf *conf, const struct blocks *blocks, const char *folder, struct conf_errors *errors)
{
	struct builder b = {.conf = conf, .errors = errors, .folder = folder};

	assert(option_count <= OPTIONS_MAX);
	for (size_t i = 0; i < blocks->count; i++)
		take_block(&b, &blocks->list[i]);
	for (int s = 0; s < SECTIONS; s++) {
		enum conf_section section = (enum conf_section)s;

		if (section_table[s].title)
			continue;
		take_presets(&b, section, conf, &b.single[s]);
		if (b.single[s].block > 0)
			require(&b, section, &b.single[s]);
		else if (section_table[s].required && !b.lost)
			error_add(errors, 0,
			    "there is no %s block (%s); add one: node { name = \"isoc.example\" "
			    "charter = \"/etc/convene/forum.charter\" }",
			    section_table[s].name, section_table[s].doc);
	}
	check_together(&b);
	for (int s = 0; s < SECTIONS; s++)
		free(b.listen_lines[s]);
	free(b.peer_lines);
	free(b.origin_lines);
	if (errors->nomem)
		return ERR_NOMEM;
	return errors->count > 0 ? ERR_MALFORMED : OK;
}
