//! A hash table of ASCII pieces that finds the longest one that a word begins with.

/// Pieces with their ids; open addressing.
pub struct PieceTable {
    slots: Vec<Slot>,
    /// All pieces, one behind the other.
    bytes: Vec<u8>,
    max_length: usize,
    shift: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    tag: u32,
    begin: u32,
    length: u32, // 0: free
    id: i32,
}

// A vocabulary in which more pieces than that want one place was made for it.
const MAX_PROBES: usize = 64;

// Words are hashed letter by letter, so that one pass gives the hashes of all their beginnings.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

fn extended(hash: u64, byte: u8) -> u64 {
    (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

fn tag(hash: u64) -> u32 {
    (hash >> 16) as u32
}

impl PieceTable {
    /// None for a vocabulary that hashes badly or is too large. Pieces are not empty and occur once.
    pub fn new(pieces: &[(&str, i32)]) -> Option<PieceTable> {
        let num_slots = (pieces.len() * 2).next_power_of_two().max(2);
        let mut table = PieceTable {
            slots: vec![Slot::default(); num_slots],
            bytes: Vec::with_capacity(pieces.iter().map(|(piece, _)| piece.len()).sum()),
            max_length: pieces.iter().map(|(piece, _)| piece.len()).max().unwrap_or(0),
            shift: 64 - num_slots.trailing_zeros(),
        };
        for &(piece, id) in pieces {
            let hash = piece.bytes().fold(SEED, extended);
            let free = table.places(hash).find(|&place| table.slots[place].length == 0)?;
            table.slots[free] = Slot {
                tag: tag(hash),
                begin: u32::try_from(table.bytes.len()).ok()?,
                length: u32::try_from(piece.len()).ok()?,
                id,
            };
            table.bytes.extend_from_slice(piece.as_bytes());
        }
        Some(table)
    }

    /// Length and id of the longest piece that `word` begins with.
    pub fn longest_prefix(&self, word: &[u8]) -> Option<(usize, i32)> {
        // Most words are pieces, and nearly all pieces are shorter than this; the rest takes a second round.
        let mut hashes = [0_u64; 32];
        let length = word.len().min(self.max_length);
        if length > hashes.len() {
            return self.longest_prefix_of_long(&word[..length]);
        }
        let mut hash = SEED;
        for (place, &byte) in hashes.iter_mut().zip(&word[..length]) {
            hash = extended(hash, byte);
            *place = hash;
        }
        (1..=length)
            .rev()
            .find_map(|length| self.find(hashes[length - 1], &word[..length]).map(|id| (length, id)))
    }

    fn longest_prefix_of_long(&self, word: &[u8]) -> Option<(usize, i32)> {
        let mut hash = SEED;
        let mut longest = None;
        for (index, &byte) in word.iter().enumerate() {
            hash = extended(hash, byte);
            if let Some(id) = self.find(hash, &word[..=index]) {
                longest = Some((index + 1, id));
            }
        }
        longest
    }

    fn find(&self, hash: u64, piece: &[u8]) -> Option<i32> {
        for place in self.places(hash) {
            let slot = &self.slots[place];
            if slot.length == 0 {
                return None;
            }
            let begin = slot.begin as usize;
            if slot.tag == tag(hash) && self.bytes[begin..begin + slot.length as usize] == *piece {
                return Some(slot.id);
            }
        }
        None
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = usize> {
        let home = (hash >> self.shift) as usize;
        let mask = self.slots.len() - 1;
        (0..MAX_PROBES.min(mask + 1)).map(move |step| (home + step) & mask)
    }
}
