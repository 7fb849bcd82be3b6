/* Finding IDX files by their first bytes, and pairs by their names: without images/labels, idx3/idx1 and .gz the
 * names of a pair are the same.  Kaggle's archives unpack to folders that hold a file of the folder's name. */
#include "data/idx_pair.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/idx_file.h"
#include "data/image.h"
#include "data/listing.h"

typedef enum role { NEITHER, IMAGES, LABELS } role;

typedef struct candidate {
    char *name; /* within the folder: "NAME" or "NAME/NAME" */
    char *key;  /* what the names of a pair share */
    role role;
    size_t order;
    size_t *compared; /* borrowed: counts the comparisons */
} candidate;

typedef struct candidates {
    candidate *items;
    size_t count, capacity;
} candidates;

/* ---- names ---- */

/* Words that distinguish the files of a pair, or their storage. */
static const char *const dropped[] = {"images", "labels", "image", "label", "idx1",  "idx2",   "idx3", "idx4",
                                      "idx",    "ubyte",  "int",   "float", "short", "double", "gz"};

static char *key_of(const char *name) {
    char *key = rf_strdup(name), *out = key;
    for (const char *in = name; key != NULL && *in != '\0';) {
        size_t skip = 0;
        for (size_t i = 0; skip == 0 && i < RF_COUNT(dropped); i++) {
            size_t length = strlen(dropped[i]);
            if (strncasecmp(in, dropped[i], length) == 0) skip = length;
        }
        if (skip == 0 && strchr("-_. ", *in) == NULL) *out++ = (char)tolower((unsigned char)*in);
        in += RF_MAX(skip, (size_t)1);
    }
    if (key != NULL) *out = '\0';
    return key;
}

static bool named_labels(const char *name) {
    return strcasestr(name, "label") != NULL || strcasestr(name, "idx1") != NULL;
}

/* "train-images-idx3-ubyte" may be damaged; "class_to_idx.json" is something else. */
static bool named_idx(const char *name) {
    const char *idx = strcasestr(name, "idx");
    return strcasestr(name, "ubyte") != NULL || (idx != NULL && isdigit((unsigned char)idx[3]));
}

static rf_status role_of(role *out, const char *path, const char *name) {
    int rank;
    *out = NEITHER;
    RF_TRY(rf_idx_peek(&rank, path));
    if (rank > 0)
        *out = rank == 1 || (rank == 2 && named_labels(name)) ? LABELS : IMAGES;
    else if (named_idx(name))
        *out = named_labels(name) ? LABELS : IMAGES;
    return RF_OK;
}

/* ---- what the folder holds ---- */

static void candidates_free(candidates *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].name);
        free(all->items[i].key);
    }
    free(all->items);
}

/* Takes ownership of the name. */
static rf_status add(candidates *all, char *name, const char *base, role r) {
    if (all->count == all->capacity) {
        size_t capacity = RF_MAX(2 * all->capacity, 16);
        candidate *items = rf_resize(all->items, capacity, sizeof *items);
        if (items == NULL) {
            free(name);
            return RF_E_MEMORY;
        }
        all->items = items;
        all->capacity = capacity;
    }
    candidate *c = &all->items[all->count];
    *c = (candidate){.name = name, .key = key_of(base), .role = r, .order = all->count};
    all->count++;
    return c->key != NULL ? RF_OK : RF_E_MEMORY;
}

static rf_status gather_entry(candidates *all, const char *folder, const rf_entry *entry) {
    rf_status status = RF_OK;
    bool inside = entry->kind == RF_ENTRY_FOLDER;
    if ((!inside && entry->kind != RF_ENTRY_FILE) || rf_image_is_name(entry->name)) return RF_OK;
    char *name = inside ? rf_path_join(entry->name, entry->name) : rf_strdup(entry->name);
    char *path = name != NULL ? rf_path_join(folder, name) : NULL;
    if (path == NULL)
        status = RF_E_MEMORY;
    else if (!inside || rf_is_file(path)) {
        role r;
        status = role_of(&r, path, entry->name);
        if (r != NEITHER) {
            status = add(all, name, entry->name, r);
            name = NULL;
        }
    }
    free(path);
    free(name);
    return status;
}

static rf_status gather(candidates *all, const char *folder) {
    rf_listing list;
    RF_TRY(rf_listing_look(&list, folder));
    rf_status status = RF_OK;
    for (size_t i = 0; status == RF_OK && i < list.count; i++)
        status = rf_interrupted() ? rf_fail(RF_E_INTERRUPTED, "interrupted")
                                  : gather_entry(all, folder, &list.entries[i]);
    rf_listing_free(&list);
    return status;
}

rf_status rf_idx_in_folder(bool *out, const char *folder) {
    candidates all = {0};
    rf_status status = gather(&all, folder);
    *out = false;
    for (size_t i = 0; status == RF_OK && i < all.count; i++) *out |= all.items[i].role == IMAGES;
    candidates_free(&all);
    return status;
}

/* ---- the pair ---- */

static int by_key(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    ++*x->compared;
    int order = strcmp(x->key, y->key);
    if (order == 0) order = (x->role > y->role) - (x->role < y->role);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* The pairs: after sorting, the images and the labels of a key lie side by side, and the first of each count (a
 * file and its gzipped self are the same).  Moves each pair's two to the front. */
static size_t pick_pairs(candidates *all) {
    size_t pairs = 0;
    for (size_t i = 0, end; i < all->count; i = end) {
        size_t labels = 0;
        for (end = i; end < all->count && strcmp(all->items[end].key, all->items[i].key) == 0; end++)
            if (labels == 0 && all->items[end].role == LABELS) labels = end;
        if (all->items[i].role != IMAGES || labels == 0) continue;
        candidate two[] = {all->items[i], all->items[labels]};
        for (size_t k = 0; k < 2; k++) { /* swapped, as each owns its texts */
            candidate *to = &all->items[2 * pairs + k], *from = &all->items[k == 0 ? i : labels];
            *from = *to;
            *to = two[k];
        }
        pairs++;
    }
    return pairs;
}

/* Pairs whose key holds the word; *first: the first of them. */
static size_t count_pairs(size_t *first, const candidates *all, size_t pairs, const char *word) {
    size_t found = 0;
    for (size_t p = 0; p < pairs; p++)
        if (strstr(all->items[2 * p].key, word) != NULL && found++ == 0) *first = p;
    return found;
}

/* The only two files, whatever their names; moves them to the front. */
static bool only_two(candidates *all) {
    size_t images = 0, labels = 0;
    for (size_t i = 0; i < all->count; i++) {
        images += all->items[i].role == IMAGES;
        labels += all->items[i].role == LABELS;
    }
    if (images != 1 || labels != 1) return false;
    if (all->items[0].role == LABELS) {
        candidate first = all->items[0];
        all->items[0] = all->items[1];
        all->items[1] = first;
    }
    return true;
}

/* The images of each pair but one, at most a few by name. */
static char *list_pairs(const candidates *all, size_t pairs, size_t except) {
    enum { NAMED = 6 };
    rf_str text = {0};
    size_t listed = 0;
    for (size_t p = 0; p < pairs; p++)
        if (p != except && listed++ < NAMED)
            rf_str_addf(&text, "%s%s", listed > 1 ? ", " : "", all->items[2 * p].name);
    if (listed > NAMED) rf_str_addf(&text, " and %zu more", listed - NAMED);
    if (!text.failed && text.data != NULL) return text.data;
    rf_str_free(&text);
    return NULL;
}

static rf_status choose(size_t *chosen, candidates *all, size_t pairs, const char *folder, const char *only) {
    static const char *const words[] = {"train", "t10k", "test", ""};
    size_t found = 0;
    for (size_t p = 0; only != NULL && p < pairs; p++)
        if (strcmp(all->items[2 * p].name, only) == 0) {
            *chosen = p;
            return RF_OK;
        }
    for (size_t i = 0; only == NULL && found == 0 && i < RF_COUNT(words); i++)
        found = count_pairs(chosen, all, pairs, words[i]);
    if (found == 1) return RF_OK;
    if (found > 1) {
        char *names = list_pairs(all, pairs, SIZE_MAX);
        rf_status status =
            rf_fail(RF_E_INPUT,
                    "%s: holds more than one pair of IDX files (%s); name the two files: --data "
                    "IMAGES,LABELS",
                    folder, names != NULL ? names : "");
        free(names);
        return status;
    }
    if (only_two(all) && (only == NULL || strcmp(all->items[0].name, only) == 0)) {
        *chosen = 0;
        return RF_OK;
    }
    return rf_fail(RF_E_INPUT,
                   "%s%s%s: holds IDX files, but no images with their labels; name the two files: --data "
                   "IMAGES,LABELS",
                   folder, only != NULL ? "/" : "", only != NULL ? only : "");
}

rf_status rf_idx_pair_find(rf_idx_pair *out, const char *folder, const char *only) {
    candidates all = {0};
    size_t pairs = 0, chosen = 0;
    *out = (rf_idx_pair){0};
    rf_status status = gather(&all, folder);
    if (status != RF_OK) goto done;
    for (size_t i = 0; i < all.count; i++) all.items[i].compared = &out->compared;
    if (all.count > 1) qsort(all.items, all.count, sizeof *all.items, by_key);
    pairs = pick_pairs(&all);
    if ((status = choose(&chosen, &all, pairs, folder, only)) != RF_OK) goto done;
    out->images = rf_path_join(folder, all.items[2 * chosen].name);
    out->labels = rf_path_join(folder, all.items[2 * chosen + 1].name);
    if (pairs > 1) out->others = list_pairs(&all, pairs, chosen);
    if (out->images == NULL || out->labels == NULL || (pairs > 1 && out->others == NULL))
        status = RF_E_MEMORY;
done:
    candidates_free(&all);
    return status;
}

void rf_idx_pair_free(rf_idx_pair *pair) {
    free(pair->images);
    free(pair->labels);
    free(pair->others);
    *pair = (rf_idx_pair){0};
}
