//! The tokens that a post-processor puts around and between texts, when they do not depend on the texts.

use std::panic::{catch_unwind, AssertUnwindSafe};

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper};

/// One text: before, text, between. A pair: before, first text, between, second text, after.
#[derive(Default)]
pub struct Frame {
    pub before: Vec<FramedToken>,
    pub between: Vec<FramedToken>,
    pub after: Vec<FramedToken>,
    pub text_types: [i32; 2],
}

pub struct FramedToken {
    pub id: i32,
    pub type_id: i32,
}

// Ids of the two texts' only tokens; no vocabulary has them.
const TEXT_IDS: [u32; 2] = [u32::MAX - 1, u32::MAX];

impl Frame {
    /// Asks the post-processor what it makes of texts of one token. None if that does not tell what it makes of others.
    pub fn of(processor: Option<&PostProcessorWrapper>, num_texts: usize, add_special_tokens: bool) -> Option<Frame> {
        let processor = match processor {
            None => {
                return Some(Frame {
                    text_types: [0, 1],
                    ..Frame::default()
                })
            }
            // These three look at no token.
            Some(
                processor @ (PostProcessorWrapper::Template(_)
                | PostProcessorWrapper::Bert(_)
                | PostProcessorWrapper::Roberta(_)),
            ) => processor,
            Some(_) => return None,
        };
        let second = (num_texts == 2).then(|| one_token(TEXT_IDS[1]));
        let framed = catch_unwind(AssertUnwindSafe(|| {
            processor.process(one_token(TEXT_IDS[0]), second, add_special_tokens)
        }))
        .ok()?
        .ok()?;

        let mut frame = Frame::default();
        let mut num_seen = 0;
        let tokens = framed.get_ids().iter().zip(framed.get_type_ids());
        for ((&id, &type_id), &special) in tokens.zip(framed.get_special_tokens_mask()) {
            let type_id = type_id as i32;
            if special == 0 {
                if num_seen == num_texts || id != TEXT_IDS[num_seen] {
                    return None; // a text is left out, comes twice or in another order
                }
                frame.text_types[num_seen] = type_id;
                num_seen += 1;
                continue;
            }
            let part = [&mut frame.before, &mut frame.between, &mut frame.after];
            part.into_iter()
                .nth(num_seen)?
                .push(FramedToken { id: id as i32, type_id });
        }
        (num_seen == num_texts).then_some(frame)
    }
}

fn one_token(id: u32) -> Encoding {
    Encoding::new(
        vec![id],
        vec![0],
        vec![String::new()],
        vec![None],
        vec![(0, 0)],
        vec![0],
        vec![1],
        Vec::new(),
        Default::default(),
    )
}
