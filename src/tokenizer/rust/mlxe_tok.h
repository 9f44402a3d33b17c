/* The C ABI of the tokenizers library: plain structs in, one allocation out, a status for everything. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlxe_tok mlxe_tok; /* immutable after loading; usable from many threads */

typedef struct {
  const char* data;
  size_t size;
} mlxe_tok_text;

/* Owned by the library: give it back with mlxe_tok_free_bytes. */
typedef struct {
  char* data;
  size_t size;
} mlxe_tok_bytes;

/* Owned by the library: give it back with mlxe_tok_free_ints. */
typedef struct {
  int32_t* data;
  size_t size;
} mlxe_tok_ints;

enum {
  MLXE_TOK_OK = 0,
  MLXE_TOK_BAD_FILE = 1, /* the tokenizer file is malformed, or the library failed because of what it says */
  MLXE_TOK_BAD_INPUT = 2 /* an argument or a text is not acceptable */
};

typedef struct {
  int32_t code;
  mlxe_tok_bytes message; /* UTF-8, empty if code is MLXE_TOK_OK; to be freed */
} mlxe_tok_status;

enum { MLXE_TOK_LONGEST_FIRST = 0, MLXE_TOK_ONLY_FIRST = 1, MLXE_TOK_ONLY_SECOND = 2 };

typedef struct {
  size_t max_length; /* tokens, special ones included, which survive in any case; SIZE_MAX: no limit */
  size_t num_threads;
  uint8_t strategy;  /* which text of a pair is cut */
  uint8_t keep_last; /* a text that is cut keeps its last tokens */
  uint8_t add_special_tokens;
  uint8_t with_offsets;
  uint8_t with_special_mask;
  uint8_t with_word_ids;
} mlxe_tok_options;

typedef struct {
  size_t vocab_size;                 /* one more than the largest id */
  size_t num_special_tokens;         /* added around one text */
  size_t num_special_tokens_of_pair; /* added around and between two */
} mlxe_tok_facts;

typedef struct {
  uint8_t found;
  mlxe_tok_bytes token; /* to be freed in any case */
} mlxe_tok_found_token;

/* Every `out` is written only when the code is MLXE_TOK_OK. */

/* lower_case: texts are lower-cased before anything else that the file says about normalising. */
mlxe_tok_status mlxe_tok_load(const char* json, size_t json_size, uint8_t lower_case, mlxe_tok** out);
void mlxe_tok_free(mlxe_tok* tokenizer);

/* seconds: NULL, or as many texts again, which make pairs with the first ones.
 * `out` holds, one after the other: num_tokens[num_texts], num_tokens_untruncated[num_texts], ids[total],
 * type_ids[total] and what is asked for: begin and end byte of each token in its text [2 * total], 1 for each token
 * that the post-processor added [total], index of the word in its text or -1 [total]; total = sum of num_tokens. */
mlxe_tok_status mlxe_tok_encode(const mlxe_tok* tokenizer, const mlxe_tok_text* texts, const mlxe_tok_text* seconds,
                                size_t num_texts, mlxe_tok_options options, mlxe_tok_ints* out);
/* Whether this text is encoded by our own WordPiece; nothing else depends on it. */
mlxe_tok_status mlxe_tok_takes_fast_path(const mlxe_tok* tokenizer, mlxe_tok_text text, uint8_t* out);
mlxe_tok_status mlxe_tok_decode(const mlxe_tok* tokenizer, const int32_t* ids, size_t num_ids,
                                uint8_t skip_special_tokens, mlxe_tok_bytes* out);
mlxe_tok_status mlxe_tok_token_to_id(const mlxe_tok* tokenizer, mlxe_tok_text token, int32_t* out); /* -1: none */
mlxe_tok_status mlxe_tok_id_to_token(const mlxe_tok* tokenizer, int32_t id, mlxe_tok_found_token* out);
mlxe_tok_status mlxe_tok_special_ids(const mlxe_tok* tokenizer, mlxe_tok_ints* out); /* ascending */
mlxe_tok_status mlxe_tok_get_facts(const mlxe_tok* tokenizer, mlxe_tok_facts* out);

void mlxe_tok_free_bytes(mlxe_tok_bytes bytes);
void mlxe_tok_free_ints(mlxe_tok_ints ints);

#ifdef __cplusplus
}
#endif
