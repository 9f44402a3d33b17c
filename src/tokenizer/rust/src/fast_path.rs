//! Whole encodings without the library: our own WordPiece, the same truncation, and the post-processor's tokens.

use std::collections::HashMap;

use tokenizers::{PostProcessorWrapper, Tokenizer};

use crate::batch::Block;
use crate::frame::{Frame, FramedToken};
use crate::tokenizer::EncodeOptions;
use crate::truncation::kept_of_pair;
use crate::wordpiece::FastWordPiece;

pub struct FastPath {
    wordpiece: FastWordPiece,
    /// Of one text and of a pair, without and with special tokens.
    frames: [[Option<Frame>; 2]; 2],
}

/// Memory that is used again for every text.
#[derive(Default)]
pub struct Scratch {
    lowered: Vec<u8>,
    ids: [Vec<i32>; 2],
}

impl FastPath {
    /// None: the file asks for something else than FastWordPiece does. `pipeline` is as the file has it.
    pub fn new(
        pipeline: &Tokenizer,
        post_processor: Option<&PostProcessorWrapper>,
        vocabulary: &HashMap<String, u32>,
        lower_case: bool,
    ) -> Option<FastPath> {
        let wordpiece = FastWordPiece::new(pipeline, vocabulary, lower_case)?;
        let frames = [1, 2].map(|num_texts| [false, true].map(|special| Frame::of(post_processor, num_texts, special)));
        Some(FastPath { wordpiece, frames })
    }

    /// Appends the encoding to the block; false, and nothing appended, if it is left to the library.
    pub fn encode(
        &self,
        text: &[u8],
        second: Option<&[u8]>,
        num_special: usize,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        block: &mut Block,
    ) -> bool {
        let of_pair = usize::from(second.is_some());
        let Some(frame) = &self.frames[of_pair][usize::from(options.add_special_tokens)] else {
            return false;
        };
        // Both belong to the library: it alone follows characters through normalizing.
        if options.with_offsets || options.with_word_ids {
            return false;
        }
        let Scratch { lowered, ids } = scratch;
        for (text, ids) in [Some(text), second].into_iter().zip(ids.iter_mut()) {
            ids.clear();
            let fits = text.is_none_or(|text| i32::try_from(text.len()).is_ok());
            if !fits || text.is_some_and(|text| !self.wordpiece.encode(text, lowered, ids)) {
                return false;
            }
        }
        let lengths = (ids[0].len(), ids[1].len());
        let budget = options
            .max_length
            .map_or(usize::MAX, |max_length| max_length.saturating_sub(num_special));
        let kept = match second {
            None => (lengths.0.min(budget), 0),
            Some(_) => match kept_of_pair(lengths, budget, options.strategy) {
                Ok(kept) => kept,
                Err(_) => return false, // which finds the same and says so
            },
        };

        let num_before = block.ids.len();
        append_special(block, &frame.before, options);
        append_text(block, &ids[0], kept.0, frame.text_types[0], options);
        append_special(block, &frame.between, options);
        if second.is_some() {
            append_text(block, &ids[1], kept.1, frame.text_types[1], options);
            append_special(block, &frame.after, options);
        }
        block.num_tokens.push((block.ids.len() - num_before) as i32);
        block
            .num_tokens_untruncated
            .push((lengths.0 + lengths.1 + num_special) as i32);
        true
    }
}

fn append_special(block: &mut Block, tokens: &[FramedToken], options: &EncodeOptions) {
    block.ids.extend(tokens.iter().map(|token| token.id));
    block.type_ids.extend(tokens.iter().map(|token| token.type_id));
    if options.with_special_mask {
        block.special_mask.resize(block.ids.len(), 1);
    }
}

fn append_text(block: &mut Block, ids: &[i32], count: usize, type_id: i32, options: &EncodeOptions) {
    let kept = if options.keep_last {
        &ids[ids.len() - count..]
    } else {
        &ids[..count]
    };
    block.ids.extend_from_slice(kept);
    block.type_ids.resize(block.ids.len(), type_id);
    if options.with_special_mask {
        block.special_mask.resize(block.ids.len(), 0);
    }
}
