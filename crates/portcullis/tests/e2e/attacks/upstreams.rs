//! What one client can make an upstream look like to all others.

use portcullis_testkit::{Client, pattern};

use crate::guard::World;

#[tokio::test]
async fn nobody_opens_the_circuit_with_uploads_that_the_application_refuses_early() {
    let world =
        World::start("upstream.breaker = { failures = 3, open_for = \"1m\" }\nroute all /*; public = true\n")
            .await;
    for _ in 0..10 {
        let uploads: Vec<_> = (0..3)
            .map(|_| {
                let url = world.gate.url("/early/413");
                tokio::spawn(async move {
                    let upload = Client::without_pool().post(url).header("content-type", "image/png");
                    // The answer may overtake the upload, or be lost with the connection.
                    let _ = upload.stream(pattern(8 << 20)).try_send().await;
                })
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap();
        }
        let answer = world.get("-", "/echo").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
