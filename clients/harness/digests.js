/** The checksums that Cloud Storage reports, calculated here. */
import { createHash } from 'node:crypto';

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** @returns {{ md5Hash: string, crc32c: string }} in base64, the latter of the big-endian number */
export function digests(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CASTAGNOLI[(crc ^ byte) & 0xff];
  const crc32c = Buffer.alloc(4);
  crc32c.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return { md5Hash: createHash('md5').update(bytes).digest('base64'), crc32c: crc32c.toString('base64') };
}
