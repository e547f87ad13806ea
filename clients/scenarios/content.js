/** Bytes that look random and are the same wherever they are made. */

/** @returns {Uint8Array} of `length`; another `seed`, other bytes */
export function content(length, seed = 1) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let word = (seed * 0x9e3779b9) >>> 0 || 1;
  for (let at = 0; at < words.length; at += 1) {
    word ^= word << 13;
    word ^= word >>> 17;
    word = (word ^ (word << 5)) >>> 0;
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** @throws unless `actual` (bytes, or a buffer of them) are `expected` */
export function same(actual, expected, what = 'content') {
  const bytes = actual instanceof Uint8Array ? actual : new Uint8Array(actual);
  if (bytes.length !== expected.length) throw new Error(`${what}: ${bytes.length} bytes for ${expected.length}`);
  const at = bytes.findIndex((byte, index) => byte !== expected[index]);
  if (at >= 0) throw new Error(`${what}: differs at byte ${at}`);
}
