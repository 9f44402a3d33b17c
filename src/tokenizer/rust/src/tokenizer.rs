//! One loaded tokenizer: the library's pipeline, with truncation done between the model and the post-processor.

use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{Encoding, Model, NormalizerWrapper, PostProcessor, PostProcessorWrapper, Tokenizer};

use crate::batch::Block;
use crate::fast_path::{FastPath, Scratch};
use crate::truncation::{keep, kept_of_pair, Strategy};
use crate::{panic_message, Failure};

pub struct EncodeOptions {
    /// Tokens with special ones; None: no limit.
    pub max_length: Option<usize>,
    pub strategy: Strategy,
    pub keep_last: bool,
    pub add_special_tokens: bool,
    pub with_offsets: bool,
    pub with_special_mask: bool,
    pub with_word_ids: bool,
}

const PLAIN: EncodeOptions = EncodeOptions {
    max_length: None,
    strategy: Strategy::LongestFirst,
    keep_last: false,
    add_special_tokens: true,
    with_offsets: false,
    with_special_mask: false,
    with_word_ids: false,
};

pub struct LoadedTokenizer {
    /// Without truncation, padding and post-processor.
    pipeline: Tokenizer,
    /// Kept apart, so that a text is encoded once and its untruncated length is still known.
    post_processor: Option<PostProcessorWrapper>,
    fast_path: Option<FastPath>,
    vocab_size: usize,
}

/// One encoded text.
pub struct Encoded {
    pub encoding: Encoding,
    pub num_tokens_untruncated: usize,
}

impl LoadedTokenizer {
    pub fn from_json(json: &[u8], lower_case: bool) -> Result<LoadedTokenizer, Failure> {
        silence_panics();
        let mut pipeline: Tokenizer =
            Tokenizer::from_bytes(json).map_err(|error| Failure::BadFile(error.to_string()))?;
        pipeline.with_padding(None);
        pipeline
            .with_truncation(None)
            .map_err(|error| Failure::BadFile(error.to_string()))?;
        let post_processor = pipeline.get_post_processor().cloned();
        pipeline.with_post_processor(None::<PostProcessorWrapper>);
        let vocabulary = pipeline.get_model().get_vocab();
        let largest_id = largest_id(&pipeline, &vocabulary)?;
        let fast_path = FastPath::new(&pipeline, post_processor.as_ref(), &vocabulary, lower_case);
        if lower_case {
            lower_case_first(&mut pipeline)?;
        }
        let loaded = LoadedTokenizer {
            pipeline,
            post_processor,
            fast_path,
            vocab_size: largest_id.map_or(0, |id| id as usize + 1),
        };
        loaded.probe()?;
        Ok(loaded)
    }

    /// Encodes a text or a pair as Hugging Face does: tokens, cut to what the special tokens leave, then the
    /// post-processor.
    pub fn encode(&self, text: &[u8], second: Option<&[u8]>, options: &EncodeOptions) -> Result<Encoded, Failure> {
        let (text, second) = match second {
            None => (checked_text(text, "")?, None),
            Some(second) => (
                checked_text(text, "has a first text that ")?,
                Some(checked_text(second, "has a second text that ")?),
            ),
        };
        catch_unwind(AssertUnwindSafe(|| self.encode_str(text, second, options)))
            .unwrap_or_else(|payload| Err(Failure::BadFile(panic_message(payload))))
    }

    /// Appends the same encoding to the block by a shorter way; false, and nothing appended, if there is none.
    pub fn encode_fast(
        &self,
        text: &[u8],
        second: Option<&[u8]>,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        block: &mut Block,
    ) -> bool {
        let Some(fast_path) = &self.fast_path else {
            return false;
        };
        let num_special = if options.add_special_tokens {
            self.num_special_tokens(second.is_some())
        } else {
            0
        };
        fast_path.encode(text, second, num_special, options, scratch, block)
    }

    pub fn takes_fast_path(&self, text: &[u8]) -> bool {
        let (mut scratch, mut block) = (Scratch::default(), Block::default());
        self.encode_fast(text, None, &PLAIN, &mut scratch, &mut block)
    }

    fn encode_str(&self, text: &str, second: Option<&str>, options: &EncodeOptions) -> Result<Encoded, Failure> {
        let num_special = if options.add_special_tokens {
            self.num_special_tokens(second.is_some())
        } else {
            0
        };
        let mut encoding = self.tokens_of(text, options)?;
        let mut second = second.map(|text| self.tokens_of(text, options)).transpose()?;
        let num_tokens_untruncated = encoding.len() + second.as_ref().map_or(0, Encoding::len) + num_special;
        if let Some(max_length) = options.max_length {
            let budget = max_length.saturating_sub(num_special);
            second = match second {
                None => {
                    encoding = keep(encoding, budget, options.keep_last);
                    None
                }
                Some(second) => {
                    let kept = kept_of_pair((encoding.len(), second.len()), budget, options.strategy)?;
                    encoding = keep(encoding, kept.0, options.keep_last);
                    Some(keep(second, kept.1, options.keep_last))
                }
            };
        }
        Ok(Encoded {
            encoding: self.post_process(encoding, second, options.add_special_tokens)?,
            num_tokens_untruncated,
        })
    }

    fn tokens_of(&self, text: &str, options: &EncodeOptions) -> Result<Encoding, Failure> {
        // The fast way leaves out what it calls offsets: offsets, word ids and the tokens' texts, by which a
        // post-processor trims offsets.
        if options.with_offsets || options.with_word_ids {
            self.pipeline.encode(text, false)
        } else {
            self.pipeline.encode_fast(text, false)
        }
        .map_err(|error| Failure::BadFile(error.to_string()))
    }

    fn post_process(
        &self,
        encoding: Encoding,
        second: Option<Encoding>,
        add_special_tokens: bool,
    ) -> Result<Encoding, Failure> {
        match (&self.post_processor, second) {
            (Some(processor), second) => processor
                .process(encoding, second, add_special_tokens)
                .map_err(|error| Failure::BadFile(error.to_string())),
            (None, None) => Ok(encoding),
            (None, Some(mut second)) => {
                let mut merged = encoding;
                second.set_type_ids(vec![1; second.len()]);
                merged.merge_with(second, false);
                Ok(merged)
            }
        }
    }

    pub fn decode(&self, ids: &[i32], skip_special_tokens: bool) -> Result<String, Failure> {
        let ids = ids
            .iter()
            .map(|&id| u32::try_from(id).map_err(|_| Failure::BadInput(format!("token id {id} is negative"))))
            .collect::<Result<Vec<u32>, Failure>>()?;
        self.pipeline
            .decode(&ids, skip_special_tokens)
            .map_err(|error| Failure::BadFile(error.to_string()))
    }

    pub fn token_to_id(&self, token: &[u8]) -> Option<i32> {
        let id = self.pipeline.token_to_id(std::str::from_utf8(token).ok()?)?;
        i32::try_from(id).ok()
    }

    pub fn id_to_token(&self, id: i32) -> Option<String> {
        self.pipeline.id_to_token(u32::try_from(id).ok()?)
    }

    pub fn special_ids(&self) -> Vec<i32> {
        let added = self.pipeline.get_added_vocabulary().get_added_tokens_decoder();
        // Ids that do not fit were refused at load.
        let mut ids: Vec<i32> = added
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(&id, _)| id as i32)
            .collect();
        ids.sort_unstable();
        ids
    }

    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Added around one text, or around and between two.
    pub fn num_special_tokens(&self, of_pair: bool) -> usize {
        self.post_processor
            .as_ref()
            .map_or(0, |processor| processor.added_tokens(of_pair))
    }

    /// Encodes a few texts, so that a file whose parts make the library panic is refused at load and not in a request.
    /// An ordinary error is no reason to refuse: a vocabulary without an unknown token may know all that is asked of it.
    fn probe(&self) -> Result<(), Failure> {
        for text in ["", "a", " A1, \u{e9}\u{fdfa}\u{1f600}\n"] {
            for with_offsets in [false, true] {
                let options = EncodeOptions { with_offsets, ..PLAIN };
                catch_unwind(AssertUnwindSafe(|| drop(self.encode_str(text, None, &options))))
                    .map_err(|payload| Failure::BadFile(panic_message(payload)))?;
            }
        }
        Ok(())
    }
}

/// `whose` goes before the complaint.
fn checked_text<'a>(text: &'a [u8], whose: &str) -> Result<&'a str, Failure> {
    let text = std::str::from_utf8(text)
        .map_err(|error| Failure::BadInput(format!("{whose}is no valid UTF-8 at byte {}", error.valid_up_to())))?;
    // Byte offsets and lengths are 32-bit numbers in the result.
    if i32::try_from(text.len()).is_err() {
        return Err(Failure::BadInput(format!(
            "{whose}has {} bytes, at most {} are possible",
            text.len(),
            i32::MAX
        )));
    }
    Ok(text)
}

/// Puts a lower-casing normalizer before the file's own one, as sentence-transformers does for `do_lower_case`. Done to
/// the normalizer and not to the text, so that special tokens written in a text are still found.
fn lower_case_first(pipeline: &mut Tokenizer) -> Result<(), Failure> {
    let mut normalizers: Vec<NormalizerWrapper> = vec![Lowercase.into()];
    normalizers.extend(pipeline.get_normalizer().cloned());
    pipeline
        .with_normalizer(Some(Sequence::new(normalizers)))
        .map_err(|error| Failure::BadFile(error.to_string()))?;
    Ok(())
}

/// The largest id of vocabulary and added tokens; ids are 32-bit signed numbers everywhere else.
fn largest_id(pipeline: &Tokenizer, vocabulary: &HashMap<String, u32>) -> Result<Option<i32>, Failure> {
    let in_model = vocabulary.values().copied().max();
    let added = pipeline.get_added_vocabulary().get_vocab().values().copied().max();
    match in_model.max(added) {
        None => Ok(None),
        Some(id) => match i32::try_from(id) {
            Ok(id) if id < i32::MAX => Ok(Some(id)),
            _ => Err(Failure::BadFile(format!(
                "the vocabulary has a token id of {id}, at most {} is possible",
                i32::MAX - 1
            ))),
        },
    }
}

/// The default hook prints every panic to stderr; ours become error messages. This copy of the Rust runtime belongs to
/// this library alone, so nobody else's hook is replaced.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
