/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be a name: people's handles, organisations' names, language tags.
 *
 * A handle is prepared by the UsernameCaseMapped profile of PRECIS (RFC 8265 section 3.3) over the
 * IdentifierClass (RFC 8264 sections 4.2, 8 and 9), whose sets are all taken from ICU's properties
 * but for the exceptions of section 9.6, which are listed there by code point too. The steps are
 * width mapping, class, lower case, NFC, bidi rule (RFC 5893 section 2), repeated until nothing
 * changes (RFC 8264 section 7).
 *
 * The class would admit all printing ASCII. Of its punctuation we admit '-', '_' and '.' only: '@',
 * '+' and '/' separate the parts of addresses, keys and paths; the rest means something to mail
 * headers, URLs, shells or mark-up, and a handle is written into all of them. '.' stands between
 * other characters and '-' not first, so that a handle is a mail local part and never looks like an
 * option or a file that hides. A combining mark may not come first: it would change the '@' or
 * space before it. */
#include "base/text.h"

#include <pthread.h>
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "base/error.h"

enum {
	INPUT_MAX = 4 * HANDLE_MAX, /* fullwidth or decomposed letters shrink, but not by more */
	UNITS = 4 * INPUT_MAX,      /* room to grow in between */
	PASSES_MAX = 4,
	VIRAMA = 9, /* the combining class */
};

static const char why_utf8[] = "it is not UTF-8";
static const char why_empty[] = "it is empty";
static const char why_long[] = "it is too long";
static const char why_ascii[] = "it may hold letters, digits, '-', '_' and '.' only";
static const char why_class[] = "it holds a character that is not for names";
static const char why_context[] = "it holds a character that is not for names at that place";
static const char why_start[] = "it may not start with '-' or a combining mark";
static const char why_dot[] = "a '.' must stand between other characters";
static const char why_bidi[] = "it mixes directions of writing";
static const char why_stable[] = "it has no stable form";
static const char why_scripts[] = "it mixes scripts or numerals that do not go together";
static const char why_machine[] = "out of memory, or ICU has no data";

/* A name in the making, as code points. */
struct word {
	UChar32 c[UNITS];
	int32_t len;
};

/* --- IdentifierClass --- */

enum derived { PVALID, CONTEXT, DISALLOWED };

/* RFC 8264 section 9.6. */
static bool exception(UChar32 c, enum derived *value)
{
	/* clang-format off */
	switch (c) {
	case 0x00df: case 0x03c2: case 0x06fd: case 0x06fe: case 0x0f0b: case 0x3007:
		*value = PVALID;
		return true;
	case 0x00b7: case 0x0375: case 0x05f3: case 0x05f4: case 0x30fb:
		*value = CONTEXT;
		return true;
	case 0x0640: case 0x07fa: case 0x302e: case 0x302f: case 0x3031: case 0x3032: case 0x3033:
	case 0x3034: case 0x3035: case 0x303b:
		*value = DISALLOWED;
		return true;
	default:
		if ((c < 0x0660 || c > 0x0669) && (c < 0x06f0 || c > 0x06f9))
			return false;
		*value = CONTEXT;
		return true;
	}
	/* clang-format on */
}

static bool has_compat(UChar32 c)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar s[U16_MAX_LENGTH];
	int32_t len = 0;
	U16_APPEND_UNSAFE(s, len, c);
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
	return !unorm2_isNormalized(nfkc, s, len, &status) || U_FAILURE(status);
}

/* RFC 8264 section 8, in its order. Section 9.7 is empty, ASCII7 is class_check()'s. */
static enum derived derive(UChar32 c)
{
	enum derived value;
	if (exception(c, &value))
		return value;
	if (u_charType(c) == U_UNASSIGNED) /* and non-characters, which come out the same */
		return DISALLOWED;
	if (u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL))
		return CONTEXT;
	switch (u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE)) {
	case U_HST_LEADING_JAMO:
	case U_HST_VOWEL_JAMO:
	case U_HST_TRAILING_JAMO:
		return DISALLOWED;
	default:
		break;
	}
	if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || has_compat(c))
		return DISALLOWED;
	const uint32_t letter_digits = U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK |
				       U_GC_LM_MASK | U_GC_MN_MASK | U_GC_MC_MASK;
	return U_GET_GC_MASK(c) & letter_digits ? PVALID : DISALLOWED;
}

static UScriptCode script_at(const struct word *w, int32_t i)
{
	UErrorCode status = U_ZERO_ERROR;
	return i >= 0 && i < w->len ? uscript_getScript(w->c[i], &status) : USCRIPT_INVALID_CODE;
}

static bool holds_between(const struct word *w, UChar32 low, UChar32 high)
{
	for (int32_t i = 0; i < w->len; i++)
		if (w->c[i] >= low && w->c[i] <= high)
			return true;
	return false;
}

/* The joining type of the next character in that direction that is not transparent. */
static int32_t joining_type(const struct word *w, int32_t i, int32_t step)
{
	for (i += step; i >= 0 && i < w->len; i += step) {
		int32_t type = u_getIntPropertyValue(w->c[i], UCHAR_JOINING_TYPE);
		if (type != U_JT_TRANSPARENT)
			return type;
	}
	return U_JT_NON_JOINING;
}

/* RFC 5892 appendix A: may this character of class CONTEXT stand at `i`? */
static bool context_allows(const struct word *w, int32_t i)
{
	int32_t left, right;
	switch (w->c[i]) {
	case 0x200c: /* zero width non-joiner */
		left = joining_type(w, i, -1);
		right = joining_type(w, i, 1);
		if ((left == U_JT_LEFT_JOINING || left == U_JT_DUAL_JOINING) &&
		    (right == U_JT_RIGHT_JOINING || right == U_JT_DUAL_JOINING))
			return true;
		return i > 0 && u_getCombiningClass(w->c[i - 1]) == VIRAMA;
	case 0x200d: /* zero width joiner */
		return i > 0 && u_getCombiningClass(w->c[i - 1]) == VIRAMA;
	case 0x00b7: /* middle dot, in Catalan */
		return i > 0 && i + 1 < w->len && w->c[i - 1] == 'l' && w->c[i + 1] == 'l';
	case 0x0375: /* Greek keraia */
		return script_at(w, i + 1) == USCRIPT_GREEK;
	case 0x05f3: /* Hebrew geresh and gershayim */
	case 0x05f4:
		return script_at(w, i - 1) == USCRIPT_HEBREW;
	case 0x30fb: /* katakana middle dot */
		for (int32_t k = 0; k < w->len; k++) {
			UScriptCode script = script_at(w, k);
			if (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA ||
			    script == USCRIPT_HAN)
				return true;
		}
		return false;
	default: /* Arabic-Indic digits of one kind only */
		return w->c[i] <= 0x0669 ? !holds_between(w, 0x06f0, 0x06f9)
					 : !holds_between(w, 0x0660, 0x0669);
	}
}

static bool ascii_allowed(UChar32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

/* Returns NULL or the reason. */
static const char *class_check(const struct word *w)
{
	for (int32_t i = 0; i < w->len; i++) {
		if (w->c[i] < 0x80) {
			if (!ascii_allowed(w->c[i]))
				return why_ascii;
			continue;
		}
		enum derived value = derive(w->c[i]);
		if (value == DISALLOWED)
			return why_class;
		if (value == CONTEXT && !context_allows(w, i))
			return why_context;
	}
	return NULL;
}

/* --- The bidi rule, RFC 5893 section 2 --- */

#define DIR(d) (1u << (d))
enum {
	DIRS_STRONG_RTL = DIR(U_RIGHT_TO_LEFT) | DIR(U_RIGHT_TO_LEFT_ARABIC),
	DIRS_NEUTRAL = DIR(U_EUROPEAN_NUMBER_SEPARATOR) | DIR(U_COMMON_NUMBER_SEPARATOR) |
		       DIR(U_EUROPEAN_NUMBER_TERMINATOR) | DIR(U_OTHER_NEUTRAL) |
		       DIR(U_BOUNDARY_NEUTRAL) | DIR(U_DIR_NON_SPACING_MARK),
	DIRS_NUMBERS = DIR(U_EUROPEAN_NUMBER) | DIR(U_ARABIC_NUMBER),
};

/* PRECIS asks for the rule only where there is a right-to-left character. Then condition 5 leaves
 * no way to start with L, so that conditions 1 to 4 are all. */
static bool bidi_valid(const struct word *w)
{
	uint32_t all = 0, end = 0;
	for (int32_t i = 0; i < w->len; i++) {
		uint32_t dir = DIR(u_charDirection(w->c[i]));
		all |= dir;
		if (dir != DIR(U_DIR_NON_SPACING_MARK))
			end = dir;
	}
	if ((all & (DIRS_STRONG_RTL | DIR(U_ARABIC_NUMBER))) == 0)
		return true;
	return (DIR(u_charDirection(w->c[0])) & DIRS_STRONG_RTL) != 0 &&
	       (all & ~(uint32_t)(DIRS_STRONG_RTL | DIRS_NUMBERS | DIRS_NEUTRAL)) == 0 &&
	       (end & (DIRS_STRONG_RTL | DIRS_NUMBERS)) != 0 &&
	       (all & DIRS_NUMBERS) != DIRS_NUMBERS;
}

/* --- The profile --- */

static void map_width(struct word *w, UErrorCode *status)
{
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(status);
	for (int32_t i = 0; i < w->len && U_SUCCESS(*status); i++) {
		int32_t type = u_getIntPropertyValue(w->c[i], UCHAR_DECOMPOSITION_TYPE);
		if (type != U_DT_WIDE && type != U_DT_NARROW)
			continue;
		/* A wide or narrow form maps to one character in all versions of Unicode. */
		UChar to[U16_MAX_LENGTH];
		int32_t len = unorm2_getRawDecomposition(nfkc, w->c[i], to, U16_MAX_LENGTH, status);
		if (U_SUCCESS(*status) && len > 0)
			U16_GET(to, 0, 0, len, w->c[i]);
	}
}

/* One round of the profile's rules over `s`, in place; `*why` stays NULL when they hold. */
static void apply_rules(
    UChar s[static UNITS], int32_t *len, struct word *w, const char **why, UErrorCode *status)
{
	UChar lower[UNITS];
	int32_t lower_len;
	u_strToUTF32(w->c, UNITS, &w->len, s, *len, status);
	map_width(w, status);
	if (U_FAILURE(*status))
		return;
	*why = class_check(w);
	if (*why != NULL)
		return;
	u_strFromUTF32(s, UNITS, len, w->c, w->len, status);
	lower_len = u_strToLower(lower, UNITS, s, *len, "", status);
	*len = unorm2_normalize(unorm2_getNFCInstance(status), lower, lower_len, s, UNITS, status);
	u_strToUTF32(w->c, UNITS, &w->len, s, *len, status);
	if (U_SUCCESS(*status) && !bidi_valid(w))
		*why = why_bidi;
}

/* What we ask beyond the profile. */
static const char *shape_check(const struct word *w)
{
	if (w->c[0] == '-' || U_GET_GC_MASK(w->c[0]) & U_GC_M_MASK)
		return why_start;
	for (int32_t i = 0; i < w->len; i++)
		if (w->c[i] == '.' && (i == 0 || i + 1 == w->len || w->c[i + 1] == '.'))
			return why_dot;
	return NULL;
}

static const char *prepare(char out[static HANDLE_MAX + 1], struct bytes in, UErrorCode *status)
{
	const char *why = NULL;
	UChar now[UNITS], before[UNITS];
	int32_t len = 0, before_len = 0, out_len = 0;
	struct word word;

	if (in.len == 0)
		return why_empty;
	if (in.len > INPUT_MAX)
		return why_long;
	if (!text_is_utf8(in))
		return why_utf8;
	u_strFromUTF8(now, UNITS, &len, (const char *)in.data, (int32_t)in.len, status);
	int passes = 0;
	while (passes == 0 || len != before_len || u_memcmp(now, before, len) != 0) {
		if (passes++ == PASSES_MAX)
			return why_stable;
		u_memcpy(before, now, len);
		before_len = len;
		apply_rules(now, &len, &word, &why, status);
		if (why != NULL || U_FAILURE(*status))
			return why;
	}
	why = shape_check(&word);
	if (why != NULL)
		return why;
	u_strToUTF8(out, HANDLE_MAX, &out_len, now, len, status);
	if (U_SUCCESS(*status))
		out[out_len] = '\0';
	return NULL;
}

static int refuse(char *out, const char *reason, const char **why)
{
	out[0] = '\0';
	if (why != NULL)
		*why = reason;
	return reason == why_machine ? ERR_NOMEM : ERR_TEXT;
}

int handle_prepare(char out[static HANDLE_MAX + 1], struct bytes in, const char **why)
{
	UErrorCode status = U_ZERO_ERROR;
	const char *reason = prepare(out, in, &status);
	if (status == U_BUFFER_OVERFLOW_ERROR)
		reason = why_long;
	else if (U_FAILURE(status))
		reason = why_machine;
	return reason != NULL ? refuse(out, reason, why) : OK;
}

/* --- Confusables --- */

/* Opened once and never changed afterwards, which is what ICU asks of a checker that threads share.
 * Returns NULL for lack of memory or data; the next call tries again. */
static const USpoofChecker *checker(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static USpoofChecker *shared;
	pthread_mutex_lock(&lock);
	if (shared == NULL) {
		UErrorCode status = U_ZERO_ERROR;
		USpoofChecker *sc = uspoof_open(&status);
		uspoof_setRestrictionLevel(sc, USPOOF_HIGHLY_RESTRICTIVE);
		/* Besides: numerals of two systems, a mark twice, a mark that its letter hides. */
		uspoof_setChecks(sc,
		    USPOOF_RESTRICTION_LEVEL | USPOOF_MIXED_NUMBERS | USPOOF_INVISIBLE |
			USPOOF_HIDDEN_OVERLAY,
		    &status);
		if (U_SUCCESS(status))
			shared = sc;
		else
			uspoof_close(sc);
	}
	const USpoofChecker *result = shared;
	pthread_mutex_unlock(&lock);
	return result;
}

int handle_skeleton(char out[static SKELETON_MAX + 1], const char *handle, const char **why)
{
	struct bytes in = bytes_str(handle);
	if (in.len == 0)
		return refuse(out, why_empty, why);
	if (in.len > HANDLE_MAX)
		return refuse(out, why_long, why);
	if (!text_is_utf8(in))
		return refuse(out, why_utf8, why);
	const USpoofChecker *sc = checker();
	if (sc == NULL)
		return refuse(out, why_machine, why);

	UErrorCode status = U_ZERO_ERROR;
	int32_t failed = uspoof_check2UTF8(sc, handle, (int32_t)in.len, NULL, &status);
	if (U_FAILURE(status))
		return refuse(out, why_machine, why);
	if (failed != 0)
		return refuse(out, why_scripts, why);

	/* Joiners differ to the machine only. Newer editions of UTS #39 leave them out, and so do
	 * we with an older ICU. */
	char visible[HANDLE_MAX];
	int32_t len = 0;
	for (size_t i = 0, at = 0; i < in.len; at = i) {
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
			continue;
		memcpy(visible + len, in.data + at, i - at);
		len += (int32_t)(i - at);
	}
	int32_t out_len = uspoof_getSkeletonUTF8(sc, 0, visible, len, out, SKELETON_MAX, &status);
	if (status == U_BUFFER_OVERFLOW_ERROR)
		return refuse(out, why_long, why);
	if (U_FAILURE(status))
		return refuse(out, why_machine, why);
	out[out_len] = '\0';
	/* The tables hold for text with capitals, where '0' goes with 'O' rather than with 'o'. */
	for (char *c = out; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return OK;
}

/* --- Names that are ASCII --- */

bool lang_valid(struct bytes tag)
{
	if (tag.len < 1 || tag.len > 35)
		return false;
	for (size_t i = 0; i < tag.len; i++) {
		uint8_t c = tag.data[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-')
			return false;
	}
	return true;
}

bool org_name_valid(struct bytes name)
{
	size_t label = 0, dots = 0; /* length of the label so far */
	if (name.len < 1 || name.len > 100)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool label_ends = i + 1 == name.len || name.data[i + 1] == '.';
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			dots++;
			continue;
		}
		if (c == '-' ? label == 0 || label_ends
			     : !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return false;
		if (++label > 63)
			return false;
	}
	return dots > 0 && label > 0;
}
