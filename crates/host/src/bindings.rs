//! Generated bindings of the Spin interfaces that this host provides
//! (`wit/edge-host.wit`).

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "bindgen writes this module; wit/edge-host.wit documents it"
)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "edge-host",
    imports: { default: async | trappable },
    with: {
        "fermyon:spin/key-value.store": crate::key_value::OpenStore,
    },
});
