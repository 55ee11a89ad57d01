// The package's WebAssembly with less memory than it may have in earnest: what
// doesn't fit traps, as it would at four gigabytes.

/** The module's bytes with a maximum in its memory section, in pages of 64 KiB beyond what it starts with. */
export function limited(bytes, pages) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const written = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...written(value >>> 7)]);
  while (at < bytes.length) {
    const start = at;
    const [section, length] = [bytes[at++], number()];
    const end = at + length;
    if (section === 5) {
      const [count, flags, least] = [number(), number(), number()];
      if (count !== 1 || flags !== 0) throw new Error("the module has more than one memory, or a limit already");
      const content = [1, 1, ...written(least), ...written(least + pages)];
      return Uint8Array.from([...bytes.subarray(0, start), 5, ...written(content.length), ...content, ...bytes.subarray(end)]);
    }
    at = end;
  }
  throw new Error("the module has no memory of its own");
}
