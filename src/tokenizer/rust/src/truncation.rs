//! How many tokens of each text stay, and which.

use std::ops::Range;

use tokenizers::Encoding;

use crate::Failure;

/// Which of two texts is cut. A text that stands alone is cut in any case.
#[derive(Clone, Copy, PartialEq)]
pub enum Strategy {
    LongestFirst,
    OnlyFirst,
    OnlySecond,
}

impl Strategy {
    pub fn from_code(code: u8) -> Result<Strategy, Failure> {
        match code {
            0 => Ok(Strategy::LongestFirst),
            1 => Ok(Strategy::OnlyFirst),
            2 => Ok(Strategy::OnlySecond),
            _ => Err(Failure::BadInput(format!("truncation strategy {code} does not exist"))),
        }
    }
}

/// The tokens that stay of two texts which have `lengths` tokens and may have `budget` together.
/// Source: truncate_encodings of the tokenizers library, whose uneven splits this follows.
pub fn kept_of_pair(lengths: (usize, usize), budget: usize, strategy: Strategy) -> Result<(usize, usize), Failure> {
    let (first, second) = lengths;
    if first + second <= budget {
        return Ok(lengths);
    }
    if budget == 0 {
        return Ok((0, 0));
    }
    match strategy {
        Strategy::LongestFirst => {
            let (shorter, longer) = (first.min(second), budget.saturating_sub(first.min(second)));
            let (shorter, longer) = if longer >= shorter {
                (shorter, longer)
            } else {
                (budget / 2, budget - budget / 2)
            };
            Ok(if first > second {
                (longer, shorter)
            } else {
                (shorter, longer)
            })
        }
        Strategy::OnlyFirst if second < budget => Ok((budget - second, second)),
        Strategy::OnlySecond if first < budget => Ok((first, budget - first)),
        Strategy::OnlyFirst => Err(no_room("second", second, "first", budget)),
        Strategy::OnlySecond => Err(no_room("first", first, "second", budget)),
    }
}

/// The library leaves at least one token of the text that it cuts, too.
fn no_room(whole: &str, length: usize, cut: &str, budget: usize) -> Failure {
    Failure::BadInput(format!(
        "cannot be cut to its limit: its {whole} text has {length} tokens, which leaves nothing of {budget} for the \
         {cut} text, the only one that may be cut"
    ))
}

/// `count` tokens of an encoding, from its beginning or its end. The library's own truncation also builds an encoding
/// for every stretch it cuts off, which for a text of millions of tokens takes far more memory than the text.
pub fn keep(encoding: Encoding, count: usize, keep_last: bool) -> Encoding {
    let length = encoding.len();
    if count >= length {
        return encoding;
    }
    let range: Range<usize> = if keep_last { length - count..length } else { 0..count };
    Encoding::new(
        encoding.get_ids()[range.clone()].to_vec(),
        encoding.get_type_ids()[range.clone()].to_vec(),
        encoding.get_tokens()[range.clone()].to_vec(),
        encoding.get_word_ids()[range.clone()].to_vec(),
        encoding.get_offsets()[range.clone()].to_vec(),
        encoding.get_special_tokens_mask()[range.clone()].to_vec(),
        encoding.get_attention_mask()[range].to_vec(),
        Vec::new(),
        Default::default(),
    )
}
