//! Whether 32 bytes are a public key of Ed25519 (RFC 8032, section 5.1.3): `aws-lc-rs` looks at their number only, and finds
//! out when a signature is verified. What is no point could never sign; with a point of small order anybody could.

/// A number modulo 2^255 - 19, as eight digits of 32 bits, the lowest first. It may be some multiples too large.
type Number = [u64; 8];

/// Bits of a digit.
const DIGIT: u64 = 0xffff_ffff;
/// 2^255 - 19.
const PRIME: Number = [0xffff_ffed, DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, 0x7fff_ffff];
const ONE: Number = [1, 0, 0, 0, 0, 0, 0, 0];
/// 2^255 - 20.
const MINUS_ONE: Number = [0xffff_ffec, DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, 0x7fff_ffff];
/// -121665/121666, the d of the curve -x² + y² = 1 + d x² y².
const D: [u8; 32] = [
    0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41, 0x4d, 0x0a, 0x70, 0x00, 0x98, 0xe8, 0x79,
    0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee, 0x6c, 0x03, 0x52,
];
/// y of the points whose order is 8; those of the orders 1, 2 and 4 have 1, -1 and 0.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// Whether it is a point of the curve, written as it must be, whose order is not small.
pub(super) fn is_key(bytes: &[u8; 32]) -> bool {
    let mut y = number(bytes);
    // The highest bit says which of two x is meant.
    y[7] &= 0x7fff_ffff;
    if y.iter().rev().ge(PRIME.iter().rev()) {
        return false;
    }
    let small = [[0; 8], ONE, MINUS_ONE, number(&ORDER_8[0]), number(&ORDER_8[1])];
    !small.contains(&y) && has_x(&y)
}

/// x² is (y² - 1) / (d y² + 1): that is a square where its numerator times its denominator, to the power of half of the
/// prime, is 1.
fn has_x(y: &Number) -> bool {
    let square = times(y, y);
    let above = plus(&square, &MINUS_ONE);
    let below = plus(&times(&number(&D), &square), &ONE);
    let product = times(&above, &below);
    // The power is 2^254 - 10: 250 ones and 0110 in binary.
    let mut power = ONE;
    for bit in (0..254).rev() {
        power = times(&power, &power);
        if bit >= 4 || bit == 2 || bit == 1 {
            power = times(&power, &product);
        }
    }
    reduced(power) == ONE
}

fn number(bytes: &[u8; 32]) -> Number {
    let mut digits = [0; 8];
    for (at, byte) in bytes.iter().enumerate() {
        digits[at / 4] |= u64::from(*byte) << (8 * (at % 4));
    }
    digits
}

fn plus(a: &Number, b: &Number) -> Number {
    let mut sum = [0; 16];
    for at in 0..8 {
        sum[at] = a[at] + b[at];
    }
    folded(sum)
}

fn times(a: &Number, b: &Number) -> Number {
    let mut product = [0; 16];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, y) in b.iter().enumerate() {
            let digit = product[i + j] + x * y + carry;
            product[i + j] = digit & DIGIT;
            carry = digit >> 32;
        }
        product[i + 8] = carry;
    }
    folded(product)
}

/// Half as long: 2^256 is 38.
fn folded(long: [u64; 16]) -> Number {
    let mut short: Number = std::array::from_fn(|at| long[at] + 38 * long[at + 8]);
    loop {
        let mut carry = 0;
        for digit in &mut short {
            *digit += carry;
            carry = *digit >> 32;
            *digit &= DIGIT;
        }
        if carry == 0 {
            return short;
        }
        short[0] += 38 * carry;
    }
}

/// Less than the prime: at most twice it is too much.
fn reduced(mut number: Number) -> Number {
    while number.iter().rev().ge(PRIME.iter().rev()) {
        let mut borrow = 0;
        for (digit, less) in number.iter_mut().zip(PRIME) {
            let rest = (1 << 32) + *digit - less - borrow;
            *digit = rest & DIGIT;
            borrow = 1 - (rest >> 32);
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;

    /// A point by a y that fits in a byte, with either x.
    fn small(y: u8, sign: u8) -> [u8; 32] {
        std::array::from_fn(|at| match at {
            0 => y,
            31 => sign,
            _ => 0,
        })
    }

    #[test]
    fn points_are_told_from_what_is_none() {
        // Calculated without this code, with Python's numbers: of y from 2 to 20 these are on the curve.
        let on_curve = [3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19];
        for y in 2..=20 {
            for sign in [0, 0x80] {
                assert_eq!(is_key(&small(y, sign)), on_curve.contains(&y), "{y}");
            }
        }
    }

    #[test]
    fn points_of_small_order_and_numbers_too_large_are_refused() {
        let negative = number_bytes(MINUS_ONE);
        for key in [small(0, 0), small(1, 0), negative, ORDER_8[0], ORDER_8[1]] {
            assert!(!is_key(&key), "{key:x?}");
            let mut other = key;
            other[31] |= 0x80;
            assert!(!is_key(&other), "{other:x?}");
        }
        // 3 is on the curve; 3 more than the prime is the same number, written otherwise.
        assert!(is_key(&small(3, 0)));
        let mut long = PRIME;
        long[0] += 3;
        assert!(!is_key(&number_bytes(long)));
        assert!(!is_key(&[0xff; 32]));
    }

    fn number_bytes(number: Number) -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(number[at / 4] >> (8 * (at % 4)) & 0xff).unwrap())
    }

    proptest! {
        #[test]
        fn every_key_that_is_made_is_one(seed in any::<[u8; 32]>()) {
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
            let key: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
            prop_assert!(is_key(&key));
        }
    }
}
