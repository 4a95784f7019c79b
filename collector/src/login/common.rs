//! Passwords that are tried first: those of a list, and what people make of them.
//!
//! The list is the head of zxcvbn's (MIT, see `common_passwords.LICENSE`), most frequent first: 6000 words, and every one of
//! the 30 000 that is long enough to be chosen here.

use std::collections::HashSet;
use std::sync::LazyLock;

static LIST: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// So many digits behind a word make it no other word.
const DIGITS: usize = 4;

/// Whether a password, in lower case, is one that is tried first: a word of the list, two of them in a row, or one with
/// a year or the like behind it; signs around it do not count.
pub(super) fn is_common(password: &str) -> bool {
    let bare = password.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace());
    let word = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = bare.len() - word.len();
    if LIST.contains(bare) || (digits <= DIGITS && LIST.contains(word)) {
        return true;
    }
    let mut halves = bare.char_indices().skip(1).map(|(at, _)| bare.split_at(at));
    halves.any(|(first, second)| LIST.contains(first) && LIST.contains(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_known() {
        assert!(LIST.len() > 5000 && LIST.iter().all(|word| word.len() >= 4 && word.to_lowercase() == **word));
        for bad in [
            "1qaz2wsx3edc",
            "passwordpassword",
            "password1234",
            "!!football2026!!",
            "letmeinletmein",
            "qwerty123456",
            "leavemealone",
            "  monkeydragon. ",
        ] {
            assert!(is_common(bad), "{bad:?}");
        }
        for good in [
            "a few words are easy",
            "another few words",
            "tvxk4mq9zzpl",
            "correct horse battery staple",
            "пароль из слов",
        ] {
            assert!(!is_common(good), "{good:?}");
        }
    }
}
