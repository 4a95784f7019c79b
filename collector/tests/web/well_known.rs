//! Whom to tell of a weakness, as programs look for it.

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::config::{Config, Security};
use picket_collector::web::guard::headers::Transport;

use crate::common::{Answer, SetUp, World};

async fn get(world: &World) -> Answer {
    let request = Request::builder().uri("/.well-known/security.txt").header(header::HOST, "localhost:8080");
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn whom_to_tell_of_a_weakness_is_said_where_the_operator_says_so_and_nowhere_else() {
    let silent = World::new().await;
    let (nothing, elsewhere) = (get(&silent).await, silent.send(elsewhere()).await);
    assert_eq!((nothing.status.as_u16(), &nothing.text), (404, &elsewhere.text), "as at any other address");

    let security = Security { contacts: vec!["mailto:security@example.org".to_owned()], ..Security::default() };
    let config = Config { security, ..Config::default() };
    let set_up =
        SetUp { public_url: "https://picket.example", transport: Transport::Https, config, ..SetUp::default() };
    let world = World::of(set_up).await;
    let answer = get(&world).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    answer.shows("Contact: mailto:security@example.org\n");
    answer.shows("\nCanonical: https://picket.example/.well-known/security.txt\n");
    let expires =
        |answer: &Answer| answer.text.lines().find_map(|line| line.strip_prefix("Expires: ")).map(str::to_owned);
    let first = expires(&answer);
    world.clock.advance(std::time::Duration::from_secs(300 * 86_400));
    let later = expires(&get(&world).await);
    assert!(later > first && later.is_some_and(|later| later > world.clock.now().to_string()), "it never lies behind");
}

fn elsewhere() -> Request<Body> {
    let request = Request::builder().uri("/.well-known/nothing").header(header::HOST, "localhost:8080");
    request.body(Body::empty()).unwrap()
}
