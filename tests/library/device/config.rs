//! What `build` refuses.

use sealed_session::SameSite;

use super::*;

#[track_caller]
fn refused(change: impl FnOnce(Builder<Value>) -> Builder<Value>, sentence: &str) {
    let error = change(builder(&Browser::at(START)))
        .build()
        .expect_err(sentence)
        .to_string();
    assert!(error.contains(sentence), "{error}");
}

fn with(binding: DeviceBinding) -> impl FnOnce(Builder<Value>) -> Builder<Value> {
    |builder| builder.device_binding(binding)
}

#[test]
fn each_kind_of_session_needs_an_idle_timeout() {
    let day = || Lifetime::absolute(Duration::from_secs(DAY));
    let idle = "kept with the idle timeout";
    refused(|builder| builder.lifetime(day().without_idle()), idle);
    refused(|builder| builder.remembered(day().without_idle()), idle);
}

#[test]
fn cookies_that_browsers_do_not_bind_are_refused() {
    refused(|builder| builder.insecure_development_cookie("id"), "over https alone");
    let one_host = "to one host and to its own pages";
    refused(
        |builder| builder.cookie_name("__Secure-id").cookie_domain("shop.example"),
        one_host,
    );
    refused(|builder| builder.partitioned(true), one_host);
    refused(|builder| builder.same_site(SameSite::None), one_host);
    let named = |length| move |builder: Builder<Value>| builder.cookie_name("a".repeat(length));
    refused(named(247), "at most 246 bytes");
    assert!(named(246)(builder(&Browser::at(START))).build().is_ok());
    assert!(builder(&Browser::at(START)).same_site(SameSite::Strict).build().is_ok());
}

#[test]
fn paths_need_no_escapes() {
    for path in [
        "", "/", "device", "/device/", "/de vice", "/a//b", "/a\"", "/a/..", "/.", "/ä", "/a?b", "/a;b",
    ] {
        refused(
            with(DeviceBinding::at(path)),
            "begins with `/` and does not end with it",
        );
        refused(
            with(binding().exclude(path)),
            "`exclude` takes a path such as `/assets`",
        );
    }
    for path in ["/d", "/auth/device-1", "/~a/_b.c"] {
        let binding = DeviceBinding::at(path).exclude(path);
        assert!(
            builder(&Browser::at(START)).device_binding(binding).build().is_ok(),
            "{path}"
        );
    }
    let below = |path: &'static str| {
        move |builder: Builder<Value>| {
            let builder = builder.cookie_name("__Secure-id").cookie_path("/app");
            builder.device_binding(DeviceBinding::at(path))
        }
    };
    refused(below("/device"), "below the cookies' path");
    refused(below("/apple"), "below the cookies' path");
    assert!(below("/app/device")(builder(&Browser::at(START))).build().is_ok());
}

#[test]
fn hosts_and_lifetimes_are_checked() {
    for host in [
        "",
        "https://mail.example",
        "mail.example/",
        "a b",
        "a\"",
        "ä.example",
        "Mail.example",
        "localhost:8443",
        "a..b",
    ] {
        refused(
            with(binding().allow_initiator(host)),
            "`allow_initiator` takes a host in small letters",
        );
    }
    for host in ["mail.example", "*.example", "*", "localhost", "mail-1.example"] {
        let binding = binding().allow_initiator(host);
        assert!(
            builder(&Browser::at(START)).device_binding(binding).build().is_ok(),
            "{host}"
        );
    }
    let strict = |builder: Builder<Value>| {
        builder
            .same_site(SameSite::Strict)
            .device_binding(binding().allow_initiator("mail.example"))
    };
    refused(strict, "with `SameSite::Lax` alone");
    let sentence = "whole seconds, from 61 to 86400";
    for lifetime in [
        Duration::ZERO,
        Duration::from_secs(60),
        Duration::from_secs(86_401),
        Duration::from_millis(61_500),
    ] {
        refused(with(binding().proof_lifetime(lifetime)), sentence);
    }
    for seconds in [61, 86_400] {
        let binding = binding().proof_lifetime(Duration::from_secs(seconds));
        assert!(
            builder(&Browser::at(START)).device_binding(binding).build().is_ok(),
            "{seconds}"
        );
    }
}
