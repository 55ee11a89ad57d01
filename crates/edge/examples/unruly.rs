//! A component that misbehaves on demand, by path, for the host's tests: a
//! guest that loops, allocates, panics or says nothing must cost its own
//! request and nothing else.
#![allow(unsafe_code, reason = "the SDK's entry point macro needs it")]
#![allow(clippy::unwrap_used, reason = "a misbehaving guest may panic")]

#[cfg(target_arch = "wasm32")]
mod component {
    use spin_sdk::http::{
        Headers, IncomingRequest, OutgoingBody, OutgoingResponse, Request, ResponseOutparam,
    };
    use spin_sdk::http_component;
    use spin_sdk::key_value::Store;

    #[http_component]
    async fn unruly(request: IncomingRequest, out: ResponseOutparam) {
        let text = match request.path_with_query().unwrap_or_default().as_str() {
            "/v1/loop" => {
                let mut n = 0u64;
                loop {
                    n = std::hint::black_box(n.wrapping_add(1));
                }
            }
            "/v1/allocate" => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    held.push(vec![1; 1 << 20]);
                    std::hint::black_box(&held);
                }
            }
            "/v1/panic" => panic!("a guest's panic"),
            "/v1/recurse" => recurse(1).to_string(),
            "/v1/silent" => return,
            "/v1/half" => {
                // An answer that is begun and never finished.
                let outgoing = OutgoingResponse::new(Headers::new());
                let body = outgoing.body().unwrap();
                out.set(outgoing);
                let writer = body.write().unwrap();
                writer.blocking_write_and_flush(b"half").unwrap();
                panic!("in the middle of the answer");
            }
            "/v1/outbound" => {
                let sent: Result<spin_sdk::http::Response, _> =
                    spin_sdk::http::send(Request::get("http://127.0.0.1:1/")).await;
                match sent {
                    Ok(_) => "sent".to_owned(),
                    Err(error) => format!("denied: {error}"),
                }
            }
            "/v1/files" => match std::fs::read_dir("/") {
                Ok(_) => "listed".to_owned(),
                Err(_) => "denied".to_owned(),
            },
            "/v1/environment" => format!("{} variables", std::env::vars().count()),
            "/v1/large-value" => match Store::open_default()
                .and_then(|store| store.set("large", &vec![0; 1_000_001]))
            {
                Ok(()) => "stored".to_owned(),
                Err(error) => format!("denied: {error}"),
            },
            "/v1/other-store" => match Store::open("other") {
                Ok(_) => "opened".to_owned(),
                Err(error) => format!("denied: {error}"),
            },
            _ => "well behaved".to_owned(),
        };
        let outgoing = OutgoingResponse::new(Headers::new());
        let body = outgoing.body().unwrap();
        out.set(outgoing);
        body.write()
            .unwrap()
            .blocking_write_and_flush(text.as_bytes())
            .unwrap();
        OutgoingBody::finish(body, None).unwrap();
    }

    fn recurse(depth: u64) -> u64 {
        let kept = std::hint::black_box([depth; 64]);
        if depth == 0 {
            return kept[0];
        }
        recurse(depth + 1) + kept[1]
    }
}
