//! What the process says when it does not start: which variable, and never what is in it.

use crate::harness::Launch;

const SECRET: &str = "hunter2-of-the-refused-starts";

#[tokio::test]
async fn a_start_that_is_refused_names_the_variable_and_not_its_value() {
    for (variable, value) in [
        (
            "NEON_DATABASE_URL",
            format!("mysql://user:{SECRET}@host/db"),
        ),
        (
            "NEON_DATABASE_URL",
            format!("postgresql://user:{SECRET}@host:port/db"),
        ),
        (
            "NEON_DATABASE_URL",
            format!("postgresql://user:{SECRET}@host/db?unknown={SECRET}"),
        ),
        (
            "NEON_DATABASE_URL",
            format!("postgresql://user:{SECRET}%zz@host/db?sslmode=maybe"),
        ),
        ("FIREBASE_JWKS_URL", format!("//user:{SECRET}@host/keys")),
        (
            "GOOGLE_JWKS_URL",
            format!("http://user:{SECRET}@:port/keys"),
        ),
        ("EVENT_TOKEN", "hunter2".to_owned()),
        ("ADMIN_TOKEN", "hunter2".to_owned()),
    ] {
        let output = Launch::new().env(variable, &value).output().await;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}={value}: {said}");
        assert!(said.contains(variable), "{value}: {said}");
        assert!(!said.contains("hunter2"), "{value}: {said}");
    }
}
