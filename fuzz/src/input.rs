//! Fuzzed bytes read as numbers and texts. Missing bytes at the end read as zero or empty, so that no input is wasted.

pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        first
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Four bytes, most significant first.
    pub fn number(&mut self) -> u32 {
        u32::from_be_bytes([(); 4].map(|()| self.byte()))
    }

    /// The bytes up to the next line feed, which is dropped.
    pub fn line(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = &self.rest[..end.unwrap_or(self.rest.len())];
        self.rest = end.map_or(&[], |end| &self.rest[end + 1..]);
        line
    }

    pub fn lines(&mut self) -> Vec<&'a [u8]> {
        let mut lines = Vec::new();
        while !self.is_empty() {
            lines.push(self.line());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_order_and_nothing_follows_the_end() {
        let mut input = Input::new(b"\x05\x00\x00\x01\x02name\n\nrest");
        assert_eq!((input.below(4), input.number()), (1, 258));
        assert_eq!(input.line(), b"name");
        assert_eq!(input.lines(), [&b""[..], b"rest"]);
        assert_eq!((input.byte(), input.number(), input.line()), (0, 0, &b""[..]));
    }
}
