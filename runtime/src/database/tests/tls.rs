use super::*;
use crate::database::DatabaseError;

const OPTIONS: &str = "sslmode=require&channel_binding=require";

#[tokio::test]
async fn tls_with_channel_binding_needs_the_right_authority_and_name() {
    let server = Postgres::start_with_tls();
    let stranger = Postgres::start_with_tls();
    let trusting =
        |server: &Postgres| format!("sslrootcert={}", server.certificate_authority().display());
    let ping = |url: String| async move { on_postgres(url).ping().await };

    let url = server.create_database();
    let right = format!("{url}?{OPTIONS}&{}", trusting(&server));
    let database = on_postgres(right.clone());
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(
        database.query::<bool>(encrypted, &[]).await.unwrap(),
        [true]
    );
    ping(
        right
            .replace("127.0.0.1", "localhost")
            .replace("require&ch", "verify-full&ch"),
    )
    .await
    .unwrap();

    for (reason, url) in [
        (
            "a wrong authority",
            format!("{url}?{OPTIONS}&{}", trusting(&stranger)),
        ),
        ("public authorities alone", format!("{url}?{OPTIONS}")),
        ("another name", right.replace("127.0.0.1", "127.0.0.2")),
        ("no TLS", format!("{url}?sslmode=disable")),
    ] {
        let answer = ping(url).await;
        assert!(
            matches!(answer, Err(DatabaseError::Unavailable(_))),
            "{reason}: {answer:?}"
        );
    }
}
