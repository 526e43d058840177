//! Where serde_json and JavaScript's `JSON.parse` differ (js/README.md, *What to know*).

use serde_json::Value;

/// Deepest nesting of arrays and objects that serde_json reads.
const DEEPEST: usize = 127;

/// Whether serde_json refuses this text although `JSON.parse` may accept it: for half a surrogate pair, a number beyond
/// the largest double, or deep nesting. If the text is not JSON, the answer means nothing.
pub fn is_for_javascript_alone(text: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                let (next, halves) = string(text, at + 1);
                if halves {
                    return true;
                }
                at = next;
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let end = text[at..].iter().position(|byte| !b"+-.eE0123456789".contains(byte));
                let end = end.map_or(text.len(), |end| at + end);
                let number: Option<f64> = str::from_utf8(&text[at..end]).ok().and_then(|text| text.parse().ok());
                if number.is_some_and(f64::is_infinite) {
                    return true;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
        at += 1;
    }
    false
}

/// The end of the string that continues at `at`, and whether an escape in it is half a surrogate pair.
fn string(text: &[u8], mut at: usize) -> (usize, bool) {
    let escape = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    while let Some(&byte) = text.get(at) {
        match (byte, escape(at)) {
            (b'"', _) => return (at + 1, false),
            (_, Some(0xd800..=0xdbff)) => match escape(at + 6) {
                Some(0xdc00..=0xdfff) => at += 12,
                _ => return (at, true),
            },
            (_, Some(0xdc00..=0xdfff)) => return (at, true),
            (b'\\', _) => at += 2,
            _ => at += 1,
        }
    }
    (at, false)
}

/// Whether `here` equals `there`, the value that JavaScript read. Its numbers are doubles, and serde_json rounds the last
/// digits of a double in its own way.
pub fn same(here: &Value, there: &Value) -> bool {
    match (here, there) {
        (Value::Number(here), Value::Number(there)) => {
            let [here, there] = [here, there].map(|number| number.as_f64().expect("a double"));
            let apart = |a: f64, b: f64| a.to_bits().abs_diff(b.to_bits());
            here == there || here.signum() == there.signum() && apart(here, there) <= 2
        }
        (Value::Array(here), Value::Array(there)) => {
            here.len() == there.len() && here.iter().zip(there).all(|(here, there)| same(here, there))
        }
        (Value::Object(here), Value::Object(there)) => {
            let value = |(name, here)| there.get(name).is_some_and(|there| same(here, there));
            here.len() == there.len() && here.iter().all(value)
        }
        (here, there) => here == there,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn assert_refused_here(text: &str, refused: bool) {
        assert_eq!(is_for_javascript_alone(text.as_bytes()), refused, "{text}");
        assert_eq!(serde_json::from_str::<Value>(text).is_err(), refused, "{text}");
    }

    #[test]
    fn serde_json_refuses_what_is_for_javascript_alone() {
        for halves in [
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud800\u0041""#,
            r#"{"\uDBFF":1}"#,
            r#""\ud800\ud800\udc00""#,
        ] {
            assert_refused_here(halves, true);
        }
        for whole in [r#""\ud83c\udf6a""#, r#""\\ud800""#, r#""\"\\\\ud800""#, r#""\u0041""#] {
            assert_refused_here(whole, false);
        }
        for number in ["1e999", "-1e309", "[2e308]", "1.8e308"] {
            assert_refused_here(number, true);
        }
        for number in ["1e308", "1e-999", "0e999", "\"1e999\"", "-0.0"] {
            assert_refused_here(number, false);
        }
        for depth in [1, 127, 128, 500] {
            assert_refused_here(&["[".repeat(depth), "]".repeat(depth)].concat(), depth > 127);
            assert_refused_here(
                &["{\"[\":".repeat(depth), "0".into(), "}".repeat(depth)].concat(),
                depth > 127,
            );
        }
        assert_refused_here(&format!("[{}0]", "[[],{}],".repeat(200)), false);
    }

    #[test]
    fn values_are_the_same_up_to_the_last_digit_of_a_double() {
        assert!(same(
            &json!({"a": [1, -0.0, "x"], "b": null}),
            &json!({"b": null, "a": [1.0, 0, "x"]})
        ));
        assert!(same(
            &json!(9_007_199_254_740_993_u64),
            &json!(9_007_199_254_740_992_u64)
        ));
        for (here, there) in [
            (json!(1), json!(1.000_000_1)),
            (json!(1), json!(-1)),
            (json!(1), json!("1")),
            (json!([1]), json!([1, 1])),
            (json!({"a": 1}), json!({"b": 1})),
            (json!({"a": 1}), json!({"a": 1, "b": 1})),
        ] {
            assert!(!same(&here, &there), "{here} {there}");
        }
    }
}
