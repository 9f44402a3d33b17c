//! WordPiece as BERT does it (BertNormalizer, BertPreTokenizer, WordPiece) for plain ASCII texts, many times faster than
//! the library's general pipeline. It declines every text that it would not encode exactly as the library does.

use std::collections::HashMap;

use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use crate::piece_table::PieceTable;

pub struct FastWordPiece {
    /// Pieces that begin a word, and those that go on with one, without their prefix ("##").
    first: PieceTable,
    next: PieceTable,
    unknown: Option<i32>,
    max_chars_per_word: usize,
    classes: [u8; 256],
    lower_case: bool,
    /// Added tokens that an ASCII text may hold, in lower case, by their first byte.
    added: HashMap<u8, Vec<Vec<u8>>>,
}

// What a byte is; kDeclined wins over all, kMayBeAdded comes on top of the others.
const WORD: u8 = 0;
const SPACE: u8 = 1;
const PUNCTUATION: u8 = 2;
const KIND: u8 = 3;
const MAY_BE_ADDED: u8 = 4;
const DECLINED: u8 = 8;

impl FastWordPiece {
    /// `vocabulary`: of the model; `lower_case`: texts are lower-cased even if the file's normalizer does not.
    /// None: the file asks for something else than BERT's WordPiece.
    pub fn new(pipeline: &Tokenizer, vocabulary: &HashMap<String, u32>, lower_case: bool) -> Option<FastWordPiece> {
        let (
            ModelWrapper::WordPiece(model),
            Some(NormalizerWrapper::BertNormalizer(normalizer)),
            Some(PreTokenizerWrapper::BertPreTokenizer(_)),
        ) = (
            pipeline.get_model(),
            pipeline.get_normalizer(),
            pipeline.get_pre_tokenizer(),
        )
        else {
            return None;
        };
        let mut classes = ascii_classes();
        let mut added: HashMap<u8, Vec<Vec<u8>>> = HashMap::new();
        for token in pipeline.get_added_vocabulary().get_added_tokens_decoder().values() {
            let content = token.content.as_bytes();
            let printable = content.iter().all(|byte| (b' '..=b'~').contains(byte));
            if token.normalized && !printable {
                return None; // its normalized form may be any ASCII text
            }
            if !content.is_ascii() || content.is_empty() {
                continue; // is in no ASCII text
            }
            let folded: Vec<u8> = content.iter().map(|&byte| folded(byte)).collect();
            for byte in 0..128 {
                if self::folded(byte) == folded[0] {
                    classes[usize::from(byte)] |= MAY_BE_ADDED;
                }
            }
            added.entry(folded[0]).or_default().push(folded);
        }
        let prefix = model.continuing_subword_prefix.as_str();
        let (mut first, mut next) = (Vec::new(), Vec::new());
        for (piece, &id) in vocabulary {
            let id = id as i32; // ids that do not fit were refused at load
            if piece.is_ascii() && !piece.is_empty() {
                first.push((piece.as_str(), id));
            }
            if let Some(rest) = piece.strip_prefix(prefix) {
                if rest.is_ascii() && !rest.is_empty() {
                    next.push((rest, id));
                }
            }
        }
        Some(FastWordPiece {
            first: PieceTable::new(&first)?,
            next: PieceTable::new(&next)?,
            unknown: vocabulary.get(&model.unk_token).map(|&id| id as i32),
            max_chars_per_word: model.max_input_chars_per_word,
            classes,
            lower_case: lower_case || normalizer.lowercase,
            added,
        })
    }

    /// Appends the ids of a text's tokens, special ones not included; false, and nothing appended, for a text that is
    /// left to the library. `scratch` spares an allocation per text.
    pub fn encode(&self, text: &[u8], scratch: &mut Vec<u8>, ids: &mut Vec<i32>) -> bool {
        let text = if self.lower_case {
            scratch.clear();
            scratch.extend(text.iter().map(u8::to_ascii_lowercase));
            scratch.as_slice()
        } else {
            text
        };
        let num_before = ids.len();
        if self.accepts(text) && self.append_words(text, ids) {
            return true;
        }
        ids.truncate(num_before);
        false
    }

    /// False for anything but printable ASCII and plain white space, and where an added token may stand.
    fn accepts(&self, text: &[u8]) -> bool {
        let all = text.iter().fold(0, |all, &byte| all | self.classes[usize::from(byte)]);
        if all & DECLINED != 0 {
            return false;
        }
        if all & MAY_BE_ADDED == 0 {
            return true;
        }
        // A text that asks for many comparisons is left to the library's automaton.
        let mut comparisons_left = 64 + 4 * text.len();
        for (begin, &byte) in text.iter().enumerate() {
            if self.classes[usize::from(byte)] & MAY_BE_ADDED == 0 {
                continue;
            }
            for content in &self.added[&folded(byte)] {
                let same = text.len() - begin >= content.len()
                    && content.iter().zip(&text[begin..]).all(|(&a, &b)| a == folded(b));
                if same || comparisons_left == 0 {
                    return false;
                }
                comparisons_left -= 1;
            }
        }
        true
    }

    fn append_words(&self, text: &[u8], ids: &mut Vec<i32>) -> bool {
        let kind = |at: usize| self.classes[usize::from(text[at])] & KIND;
        let mut begin = 0;
        while begin < text.len() {
            let mut end = begin + 1;
            match kind(begin) {
                SPACE => {}
                PUNCTUATION => {
                    if !self.append_pieces(&text[begin..end], ids) {
                        return false;
                    }
                }
                _ => {
                    while end < text.len() && kind(end) == WORD {
                        end += 1;
                    }
                    if !self.append_pieces(&text[begin..end], ids) {
                        return false;
                    }
                }
            }
            begin = end;
        }
        true
    }

    /// The longest piece first, again and again; a word that cannot be cut into pieces is one unknown token. False if
    /// the vocabulary has none.
    fn append_pieces(&self, word: &[u8], ids: &mut Vec<i32>) -> bool {
        let num_before = ids.len();
        let mut begin = 0;
        if word.len() <= self.max_chars_per_word {
            let mut table = &self.first;
            while begin < word.len() {
                let Some((length, id)) = table.longest_prefix(&word[begin..]) else {
                    break;
                };
                ids.push(id);
                begin += length;
                table = &self.next;
            }
        }
        if begin == word.len() {
            return true;
        }
        ids.truncate(num_before);
        ids.extend(self.unknown);
        self.unknown.is_some()
    }
}

fn ascii_classes() -> [u8; 256] {
    let mut classes = [DECLINED; 256];
    for byte in b' '..=b'~' {
        classes[usize::from(byte)] = if byte.is_ascii_punctuation() { PUNCTUATION } else { WORD };
    }
    for byte in b"\t\n\r " {
        classes[usize::from(*byte)] = SPACE;
    }
    classes
}

/// What added tokens are compared as: coarser than what the library does, never finer.
fn folded(byte: u8) -> u8 {
    match byte {
        b'\t' | b'\n' | b'\r' => b' ',
        _ => byte.to_ascii_lowercase(),
    }
}
