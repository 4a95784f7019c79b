//! One payload -> its values.

use super::Damage;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob,
}

/// How texts are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// A number of 1 to 9 bytes, and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            value = value << 8 | u64::from(*byte);
        } else {
            value = value << 7 | u64::from(byte & 0x7f);
        }
        if at == 8 || byte & 0x80 == 0 {
            return Some((value.cast_signed(), &bytes[at + 1..]));
        }
    }
    None
}

/// The first `columns` values; fewer where the row is older than the last columns.
pub(super) fn decode(payload: &[u8], columns: usize, encoding: Encoding) -> Result<Vec<Value>, Damage> {
    read(payload, columns, encoding).ok_or_else(|| "it is damaged: a row cannot be read".to_owned())
}

fn read(payload: &[u8], columns: usize, encoding: Encoding) -> Option<Vec<Value>> {
    let (header, rest) = varint(payload)?;
    let header = usize::try_from(header).ok()?;
    let mut types = payload.get(payload.len() - rest.len()..header)?;
    let mut body = &payload[header..];
    let mut values = Vec::new();
    while !types.is_empty() && values.len() < columns {
        let (kind, rest) = varint(types)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            12.. => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        let bytes = body.get(..length)?;
        body = &body[length..];
        values.push(match kind {
            0 => Value::Null,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => Value::Integer(integer(bytes)),
            7 => Value::Real(f64::from_bits(integer(bytes).cast_unsigned())),
            kind if kind % 2 == 0 => Value::Blob,
            _ => Value::Text(text(bytes, encoding)),
        });
    }
    Some(values)
}

/// A signed number of 1 to 8 bytes.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value: i64, byte| value << 8 | i64::from(*byte))
}

fn text(bytes: &[u8], encoding: Encoding) -> String {
    let unit: fn([u8; 2]) -> u16 = match encoding {
        Encoding::Utf8 => return String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(|two| unit([two[0], two[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        assert_eq!(varint(&[0x7f, 9]), Some((127, &[9][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Some((-1, &[][..])));
        assert_eq!(varint(&[0x80]), None);
        assert_eq!((integer(&[0xff]), integer(&[0x7f, 0xff]), integer(&[])), (-1, 32_767, 0));
    }

    #[test]
    fn a_row_that_says_more_than_it_holds_is_damaged() {
        // Two columns: a text of 2 bytes and the constant 1.
        assert_eq!(
            decode(&[3, 17, 9, b'h', b'i'], 9, Encoding::Utf8),
            Ok(vec![Value::Text("hi".to_owned()), Value::Integer(1)])
        );
        for bad in [&[][..], &[0x80], &[9, 1], &[2, 17, b'h'], &[2, 10], &[0, 1]] {
            assert!(decode(bad, 9, Encoding::Utf8).is_err(), "{bad:?}");
        }
    }
}
