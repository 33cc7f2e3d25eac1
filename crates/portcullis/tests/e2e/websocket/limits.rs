//! Bounds: size, rate, silence, and how many there may be.

use portcullis_testkit::websocket::{Heard, Masked, frame, opening};
use portcullis_testkit::{RawConnection, eventually};

use crate::gate::DEADLINE;
use crate::websocket::{Stand, WAYS, echo, open_route};

#[tokio::test]
async fn a_message_that_is_too_large_ends_it_on_both_sides() {
    for speaks in WAYS {
        let stand = Stand::public("message_bytes_max = \"1KiB\"").await.over(speaks);
        let mut socket = stand.open("/").await;
        echo(&mut socket, &"x".repeat(1024)).await;
        let _ = socket.send(vec![0; 1025].into()).await;
        assert_eq!(socket.hear().await, Heard::Close(1009));
        eventually(DEADLINE, || async { stand.upstream.closes() == [1009] }).await;
        let expected =
            "refused client, gate 1009: the client broke a rule: a message has more than 1024 bytes";
        assert_eq!(stand.told().await, expected);
    }
}

#[tokio::test]
async fn the_size_counts_over_all_pieces_of_a_message() {
    let stand = Stand::public("message_bytes_max = \"1KiB\"").await;
    let mut connection = RawConnection::open(stand.gate.address("public")).await;
    let pieces = [frame(0x02, Masked::Yes, &[1; 600]), frame(0x00, Masked::Yes, &[2; 424])].concat();
    connection.send([opening("/", "").as_bytes(), &pieces].concat()).await;
    assert_eq!(connection.read_head().await.status, 101);
    // Its announcement is enough.
    connection.send(&frame(0x80, Masked::Yes, &[3])[..6]).await;
    let close = frame(0x88, Masked::No, &1009_u16.to_be_bytes());
    assert_eq!(connection.read_exact(close.len()).await, close);
}

#[tokio::test]
async fn an_upstream_may_say_what_it_wants() {
    for speaks in WAYS {
        let stand =
            Stand::public("message_bytes_max = \"125B\"; messages = 1; window = \"1d\"").await.over(speaks);
        let mut socket = stand.open("/flood").await;
        for _ in 0..5 {
            assert_eq!(socket.hear().await, Heard::Binary(vec![7; 64 << 10]));
        }
    }
}

#[tokio::test]
async fn more_messages_than_allowed_end_it() {
    for speaks in WAYS {
        let stand = Stand::public("messages = 3; window = \"1d\"").await.over(speaks);
        let mut socket = stand.open("/").await;
        for text in ["one", "two", "three"] {
            echo(&mut socket, text).await;
        }
        let _ = socket.send("four".into()).await;
        assert_eq!(socket.hear().await, Heard::Close(1008));
        eventually(DEADLINE, || async { stand.upstream.closes() == [1008] }).await;
        let expected =
            "refused client, gate 1008: the client broke a rule: more messages than the route allows";
        assert_eq!(stand.told().await, expected);
        // Each has its own count.
        echo(&mut stand.open("/").await, "one").await;
    }
}

#[tokio::test]
async fn where_limits_only_observe_more_messages_are_noted() {
    for speaks in WAYS {
        let stand = Stand::start(&format!(
            "mode.limits = \"observe\"\n{}",
            open_route("messages = 1; window = \"1d\"")
        ))
        .await
        .over(speaks);
        let mut socket = stand.open("/").await;
        for text in ["one", "two", "three"] {
            echo(&mut socket, text).await;
        }
        socket.close(1000).await;
        let event = stand.gate.wait_for_event(|event| event["status"] == stand.let_in(), DEADLINE).await;
        let decisions = event["decisions"].to_string();
        assert!(decisions.contains("would_refuse") && decisions.contains("more messages"), "{decisions}");
    }
}

#[tokio::test]
async fn neither_small_pieces_nor_pings_are_a_way_around_the_rate() {
    let stand = Stand::public("messages = 10; window = \"1d\"").await;
    for (first, more) in [(0x01, 0x00), (0x89, 0x89)] {
        let mut connection = RawConnection::open(stand.gate.address("public")).await;
        connection.send(opening("/deaf", "")).await;
        assert_eq!(connection.read_head().await.status, 101);
        let flood = [frame(first, Masked::Yes, b""), frame(more, Masked::Yes, b"").repeat(200)].concat();
        connection.send(flood).await;
        let close = frame(0x88, Masked::No, &1008_u16.to_be_bytes());
        assert_eq!(connection.read_exact(close.len()).await, close);
    }
}

#[tokio::test]
async fn silence_ends_it_and_a_word_from_either_side_puts_that_off() {
    for speaks in WAYS {
        let stand = Stand::public("idle_timeout = \"1s\"; messages = 10_000_000").await.over(speaks);
        let mut quiet = stand.open("/").await;
        assert_eq!(quiet.hear().await, Heard::Close(1001));
        assert_eq!(stand.told().await, "answered -, gate 1001: nothing passed for 1s");
        eventually(DEADLINE, || async { stand.upstream.closes() == [1001] }).await;
        let mut lively = stand.open("/").await;
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < 1500 {
            echo(&mut lively, "still here").await;
        }
        assert_eq!(lively.hear().await, Heard::Close(1001));
    }
}

#[tokio::test]
async fn there_are_no_more_than_there_may_be() {
    for speaks in WAYS {
        let stand = Stand::start(&format!(
            "{}\n[bounds]\nwebsockets_max = 3\nwebsockets_per_prefix_max = 2",
            open_route("")
        ))
        .await
        .over(speaks);
        let (first, _second) = (stand.open("/").await, stand.open("/").await);
        assert_eq!(stand.try_open("/", &[]).await.err(), Some(503));
        let _third = stand.try_open_from([127, 0, 0, 2], "/", &[]).await.expect("another address");
        let refused = stand.try_open_from([127, 0, 0, 3], "/", &[]).await.err();
        assert_eq!(refused, Some(503));
        assert_eq!(stand.metric("portcullis_websockets").await, 3.0);
        drop(first);
        eventually(DEADLINE, || async { stand.try_open("/", &[]).await.ok() }).await;
        assert_eq!(stand.upstream.openings().len(), 4, "who has no place reaches nobody");
    }
}
