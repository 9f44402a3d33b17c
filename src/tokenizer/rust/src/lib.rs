//! The extern "C" functions of mlxe_tok.h: they check arguments, catch panics and hand over memory; nothing else.

mod batch;
mod fast_path;
mod frame;
mod piece_table;
mod tokenizer;
mod truncation;
mod wordpiece;

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::slice;

use batch::Inputs;
use tokenizer::{EncodeOptions, LoadedTokenizer};
use truncation::Strategy;

/// What can go wrong; the variant becomes the status code of the ABI.
#[derive(Debug)]
pub enum Failure {
    BadFile(String),
    BadInput(String),
}

type Outcome<T> = Result<T, Failure>;

#[repr(C)]
pub struct Text {
    data: *const u8,
    size: usize,
}

#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

#[repr(C)]
pub struct Ints {
    data: *mut i32,
    size: usize,
}

#[repr(C)]
pub struct Status {
    code: i32,
    message: Bytes,
}

#[repr(C)]
pub struct Options {
    max_length: usize,
    num_threads: usize,
    strategy: u8,
    keep_last: u8,
    add_special_tokens: u8,
    with_offsets: u8,
    with_special_mask: u8,
    with_word_ids: u8,
}

#[repr(C)]
pub struct Facts {
    vocab_size: usize,
    num_special_tokens: usize,
    num_special_tokens_of_pair: usize,
}

#[repr(C)]
pub struct FoundToken {
    found: u8,
    token: Bytes,
}

impl Bytes {
    fn from_vec(bytes: Vec<u8>) -> Bytes {
        let boxed = bytes.into_boxed_slice();
        let size = boxed.len();
        Bytes {
            data: Box::into_raw(boxed) as *mut u8,
            size,
        }
    }
}

impl Ints {
    fn from_vec(ints: Vec<i32>) -> Ints {
        let boxed = ints.into_boxed_slice();
        let size = boxed.len();
        Ints {
            data: Box::into_raw(boxed) as *mut i32,
            size,
        }
    }
}

/// The message of a panic, whatever its payload is.
pub fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "no message",
    };
    format!("the tokenizers library failed: {text}")
}

/// Runs `work`, turns a panic into a failure, and a value into an `out` of the caller.
fn guarded<T>(out: *mut T, work: impl FnOnce() -> Outcome<T>) -> Status {
    let outcome =
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Failure::BadFile(panic_message(payload))));
    let (code, message) = match outcome {
        Ok(value) => {
            // SAFETY: the caller passes a valid place for the result.
            unsafe { ptr::write(out, value) };
            (0, String::new())
        }
        Err(Failure::BadFile(message)) => (1, message),
        Err(Failure::BadInput(message)) => (2, message),
    };
    Status {
        code,
        message: Bytes::from_vec(message.into_bytes()),
    }
}

/// A slice of the caller's memory; a null pointer with a size of 0 is the empty slice.
///
/// # Safety
/// `data` points to `size` valid elements that outlive the call.
unsafe fn borrowed<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        slice::from_raw_parts(data, size)
    }
}

/// # Safety
/// `texts` points to `num_texts` texts, each of which points to its bytes; all outlive the call.
unsafe fn borrowed_texts<'a>(texts: *const Text, num_texts: usize) -> Vec<&'a [u8]> {
    borrowed(texts, num_texts)
        .iter()
        .map(|text| borrowed(text.data, text.size))
        .collect()
}

/// # Safety
/// `json` points to `json_size` bytes, `out` to a pointer.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_load(
    json: *const u8,
    json_size: usize,
    lower_case: u8,
    out: *mut *mut LoadedTokenizer,
) -> Status {
    guarded(out, || {
        let loaded = LoadedTokenizer::from_json(borrowed(json, json_size), lower_case != 0)?;
        Ok(Box::into_raw(Box::new(loaded)))
    })
}

/// # Safety
/// `tokenizer` is null or came from mlxe_tok_load and is not used again.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_free(tokenizer: *mut LoadedTokenizer) {
    if !tokenizer.is_null() {
        // A panicking destructor has nobody to tell; what matters is that it does not cross the border.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(tokenizer))));
    }
}

/// # Safety
/// All pointers are valid for the sizes given with them.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_encode(
    tokenizer: *const LoadedTokenizer,
    texts: *const Text,
    seconds: *const Text,
    num_texts: usize,
    options: Options,
    out: *mut Ints,
) -> Status {
    guarded(out, || {
        let inputs = Inputs {
            texts: borrowed_texts(texts, num_texts),
            seconds: (!seconds.is_null()).then(|| borrowed_texts(seconds, num_texts)),
        };
        let num_threads = options.num_threads;
        let options = EncodeOptions {
            max_length: (options.max_length != usize::MAX).then_some(options.max_length),
            strategy: Strategy::from_code(options.strategy)?,
            keep_last: options.keep_last != 0,
            add_special_tokens: options.add_special_tokens != 0,
            with_offsets: options.with_offsets != 0,
            with_special_mask: options.with_special_mask != 0,
            with_word_ids: options.with_word_ids != 0,
        };
        batch::encode(&*tokenizer, &inputs, &options, num_threads).map(Ints::from_vec)
    })
}

/// # Safety
/// All pointers are valid for the sizes given with them.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_decode(
    tokenizer: *const LoadedTokenizer,
    ids: *const i32,
    num_ids: usize,
    skip_special_tokens: u8,
    out: *mut Bytes,
) -> Status {
    guarded(out, || {
        let text = (*tokenizer).decode(borrowed(ids, num_ids), skip_special_tokens != 0)?;
        Ok(Bytes::from_vec(text.into_bytes()))
    })
}

/// # Safety
/// All pointers are valid for the sizes given with them.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_token_to_id(tokenizer: *const LoadedTokenizer, token: Text, out: *mut i32) -> Status {
    guarded(out, || {
        Ok((*tokenizer).token_to_id(borrowed(token.data, token.size)).unwrap_or(-1))
    })
}

/// # Safety
/// All pointers are valid for the sizes given with them.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_takes_fast_path(
    tokenizer: *const LoadedTokenizer,
    text: Text,
    out: *mut u8,
) -> Status {
    guarded(out, || {
        Ok((*tokenizer).takes_fast_path(borrowed(text.data, text.size)).into())
    })
}

/// # Safety
/// All pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_id_to_token(
    tokenizer: *const LoadedTokenizer,
    id: i32,
    out: *mut FoundToken,
) -> Status {
    guarded(out, || {
        let token = (*tokenizer).id_to_token(id);
        Ok(FoundToken {
            found: token.is_some().into(),
            token: Bytes::from_vec(token.unwrap_or_default().into_bytes()),
        })
    })
}

/// # Safety
/// All pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_special_ids(tokenizer: *const LoadedTokenizer, out: *mut Ints) -> Status {
    guarded(out, || Ok(Ints::from_vec((*tokenizer).special_ids())))
}

/// # Safety
/// All pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_get_facts(tokenizer: *const LoadedTokenizer, out: *mut Facts) -> Status {
    guarded(out, || {
        Ok(Facts {
            vocab_size: (*tokenizer).vocab_size(),
            num_special_tokens: (*tokenizer).num_special_tokens(false),
            num_special_tokens_of_pair: (*tokenizer).num_special_tokens(true),
        })
    })
}

/// # Safety
/// `bytes` came from this library and is not used again.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_free_bytes(bytes: Bytes) {
    let _ = catch_unwind(|| drop(Box::from_raw(ptr::slice_from_raw_parts_mut(bytes.data, bytes.size))));
}

/// # Safety
/// `ints` came from this library and is not used again.
#[no_mangle]
pub unsafe extern "C" fn mlxe_tok_free_ints(ints: Ints) {
    let _ = catch_unwind(|| drop(Box::from_raw(ptr::slice_from_raw_parts_mut(ints.data, ints.size))));
}
