//! Whatever somebody writes into Redis: nobody panics or stops, and nobody is signed in by it.

use super::*;

#[test]
fn news_of_any_bytes_is_refused_with_an_event_and_the_next_is_read() {
    let redis = RedisServer::start(&[]);
    let heard = Heard::default();
    let (one, other) = (started(builder(&redis).observer(heard.observer())), join(&redis));
    let (bytes, long) = (&b"\xff\0\xfe"[..], vec![b'x'; 1 << 20]);
    let list = |bytes: &[u8]| redis::cmd("XADD").arg(NEWS).arg("*").arg("list").arg(bytes).clone();
    let refused = [
        redis::cmd("XADD").arg(NEWS).arg("*").arg(bytes).arg(bytes).clone(),
        redis::cmd("XADD").arg(NEWS).arg("*").arg(&long).arg("").clone(),
        list(&long),
        list(b""),
        list(b"SSRL"),
        list(b"SSRL\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        list(b"SSRL\x02\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    let mut pipeline = redis::pipe();
    refused.iter().for_each(|news| {
        pipeline.add_command(news.clone());
    });
    send(&redis, &pipeline);
    revoke(&other, 1);
    all_refuse(&[&one], 1);
    assert_eq!(heard.names(), ["RevocationStoreRefused"; 7]);
    assert!(join(&redis).is_revoked(id(1)));
}
