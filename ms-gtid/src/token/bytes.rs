//! Numbers as bytes, seven bits in each: the eighth says that there is more.

use super::TokenError;

/// Writes a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0];
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Writes how many there are of something.
pub(super) fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put(bytes, u64::try_from(count).expect("memory has no more than 2^64 of anything"));
}

/// What is left to read. Whoever reads names the part, for the message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self, part: &'static str) -> Result<u8, TokenError> {
        Ok(self.take(1, part)?[0])
    }

    pub(super) fn take(&mut self, length: usize, part: &'static str) -> Result<&'a [u8], TokenError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TokenError::Malformed { part })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn take_last(&mut self, length: usize, part: &'static str) -> Result<&'a [u8], TokenError> {
        let at = self.rest.len().checked_sub(length).ok_or(TokenError::Malformed { part })?;
        let (rest, taken) = self.rest.split_at(at);
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self, part: &'static str) -> Result<u64, TokenError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(part)?;
            let bits = u64::from(byte & 0x7f);
            // Nine bytes are 63 bits; the tenth has room for one more.
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(TokenError::Malformed { part })
    }

    /// A number of things that are still to come, each of at least one byte.
    pub(super) fn count(&mut self, most: usize, part: &'static str) -> Result<usize, TokenError> {
        let count = self.number(part)?;
        match usize::try_from(count) {
            Ok(count) if count <= most.min(self.rest.len()) => Ok(count),
            _ => Err(TokenError::Malformed { part }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), 1 << 62, 1 << 63, u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.number("test"), Ok(number));
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let endless = [0xff; 11];
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for bytes in [&[][..], &[0x80], &endless, &too_large] {
            assert_eq!(Reader::new(bytes).number("test"), Err(TokenError::Malformed { part: "test" }), "{bytes:?}");
        }
    }

    #[test]
    fn no_more_is_announced_than_can_come() {
        assert_eq!(Reader::new(&[2, 0, 0]).count(9, "test"), Ok(2));
        for bytes in [&[3, 0, 0][..], &[0xff, 0x7f, 0]] {
            assert!(Reader::new(bytes).count(9, "test").is_err(), "{bytes:?}");
        }
        assert!(Reader::new(&[2, 0, 0]).count(1, "test").is_err());
    }
}
