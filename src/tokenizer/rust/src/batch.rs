//! A batch of texts or pairs over several threads, gathered into one array of integers.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::fast_path::Scratch;
use crate::tokenizer::{EncodeOptions, Encoded, LoadedTokenizer};
use crate::{panic_message, Failure};

/// What is encoded: texts, or pairs of which these are the first and the second texts.
pub struct Inputs<'a> {
    pub texts: Vec<&'a [u8]>,
    pub seconds: Option<Vec<&'a [u8]>>,
}

impl Inputs<'_> {
    fn len(&self) -> usize {
        self.texts.len()
    }

    fn noun(&self) -> &'static str {
        match self.seconds {
            Some(_) => "pair",
            None => "text",
        }
    }
}

/// The encodings of consecutive inputs.
#[derive(Default)]
pub struct Block {
    first_input: usize,
    pub num_tokens: Vec<i32>,
    pub num_tokens_untruncated: Vec<i32>,
    pub ids: Vec<i32>,
    pub type_ids: Vec<i32>,
    offsets: Vec<i32>,
    pub special_mask: Vec<i32>,
    word_ids: Vec<i32>,
}

/// The array that mlxe_tok.h describes. The failure of the first input that fails is reported, whatever the threads do.
pub fn encode(
    tokenizer: &LoadedTokenizer,
    inputs: &Inputs,
    options: &EncodeOptions,
    num_threads: usize,
) -> Result<Vec<i32>, Failure> {
    // Several blocks per thread, because texts differ in length; not too many, because each costs a few vectors.
    let block_size = (inputs.len() / (num_threads.max(1) * 8)).clamp(1, 256);
    let num_blocks = inputs.len().div_ceil(block_size);
    let next_block = AtomicUsize::new(0);
    let work = || -> Result<Vec<Block>, (usize, Failure)> {
        let mut blocks = Vec::new();
        loop {
            let index = next_block.fetch_add(1, Ordering::Relaxed);
            if index >= num_blocks {
                return Ok(blocks);
            }
            let range = index * block_size..inputs.len().min((index + 1) * block_size);
            blocks.push(encode_block(tokenizer, inputs, range, options)?);
        }
    };
    let mut outcomes = Vec::new();
    thread::scope(|scope| {
        // A thread that the system refuses is work for the others.
        let helpers: Vec<_> = (1..num_threads.min(num_blocks))
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        outcomes.push(work());
        for helper in helpers {
            outcomes.push(
                helper
                    .join()
                    .unwrap_or_else(|payload| Err((0, Failure::BadFile(panic_message(payload))))),
            );
        }
    });

    let mut blocks = Vec::new();
    let mut first_failure: Option<(usize, Failure)> = None;
    for outcome in outcomes {
        match outcome {
            Ok(done) => blocks.extend(done),
            Err((index, failure)) => {
                if first_failure.as_ref().is_none_or(|(first, _)| index < *first) {
                    first_failure = Some((index, failure));
                }
            }
        }
    }
    let noun = inputs.noun();
    match first_failure {
        Some((index, Failure::BadInput(message))) => Err(Failure::BadInput(format!("{noun} {index} {message}"))),
        Some((index, Failure::BadFile(message))) => {
            Err(Failure::BadFile(format!("cannot encode {noun} {index}: {message}")))
        }
        None => {
            blocks.sort_unstable_by_key(|block| block.first_input);
            Ok(join(&blocks))
        }
    }
}

fn encode_block(
    tokenizer: &LoadedTokenizer,
    inputs: &Inputs,
    range: Range<usize>,
    options: &EncodeOptions,
) -> Result<Block, (usize, Failure)> {
    let mut block = Block {
        first_input: range.start,
        ..Block::default()
    };
    let mut scratch = Scratch::default();
    for index in range {
        let text = inputs.texts[index];
        let second = inputs.seconds.as_ref().map(|seconds| seconds[index]);
        if !tokenizer.encode_fast(text, second, options, &mut scratch, &mut block) {
            let encoded = tokenizer
                .encode(text, second, options)
                .map_err(|failure| (index, failure))?;
            append(&mut block, &encoded, options);
        }
    }
    Ok(block)
}

fn append(block: &mut Block, encoded: &Encoded, options: &EncodeOptions) {
    let encoding = &encoded.encoding;
    block.num_tokens.push(encoding.len() as i32);
    block.num_tokens_untruncated.push(encoded.num_tokens_untruncated as i32);
    block.ids.extend(encoding.get_ids().iter().map(|&id| id as i32));
    block
        .type_ids
        .extend(encoding.get_type_ids().iter().map(|&id| id as i32));
    if options.with_offsets {
        block.offsets.extend(
            encoding
                .get_offsets()
                .iter()
                .flat_map(|&(begin, end)| [begin as i32, end as i32]),
        );
    }
    if options.with_special_mask {
        block
            .special_mask
            .extend(encoding.get_special_tokens_mask().iter().map(|&bit| bit as i32));
    }
    if options.with_word_ids {
        block.word_ids.extend(
            encoding
                .get_word_ids()
                .iter()
                .map(|word| word.map_or(-1, |id| id as i32)),
        );
    }
}

fn join(blocks: &[Block]) -> Vec<i32> {
    let parts: [fn(&Block) -> &Vec<i32>; 7] = [
        |block| &block.num_tokens,
        |block| &block.num_tokens_untruncated,
        |block| &block.ids,
        |block| &block.type_ids,
        |block| &block.offsets,
        |block| &block.special_mask,
        |block| &block.word_ids,
    ];
    let size = parts
        .iter()
        .map(|part| blocks.iter().map(|block| part(block).len()).sum::<usize>())
        .sum();
    let mut joined = Vec::with_capacity(size);
    for part in parts {
        for block in blocks {
            joined.extend_from_slice(part(block));
        }
    }
    joined
}
