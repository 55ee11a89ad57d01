//! A component that only echoes: the measure for what a fresh instance of any
//! component costs (`shelfedge bench-edge`). It is as small as the SDK allows.
#![allow(unsafe_code, reason = "the SDK's entry point macro needs it")]
#![allow(clippy::unwrap_used, reason = "a measuring stick; any failure shows")]

#[cfg(target_arch = "wasm32")]
mod component {
    use spin_sdk::http::{
        Headers, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    };
    use spin_sdk::http_component;

    #[http_component]
    async fn echo(request: IncomingRequest, out: ResponseOutparam) {
        let incoming = request.consume().unwrap();
        let reader = incoming.stream().unwrap();
        let outgoing = OutgoingResponse::new(Headers::new());
        let body = outgoing.body().unwrap();
        out.set(outgoing);
        {
            let writer = body.write().unwrap();
            while let Ok(piece) = reader.blocking_read(4_096) {
                writer.blocking_write_and_flush(&piece).unwrap();
            }
        }
        OutgoingBody::finish(body, None).unwrap();
    }
}
