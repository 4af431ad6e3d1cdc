// Packed arrays as brivl/viz/browser/packing.py writes them: "BRV1", length of the header, JSON header, arrays.

const TYPES = {
  u1: Uint8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, f4: Float32Array, f2: Uint16Array,
};

let halves = null;

/** Float32Array of all 65,536 half-precision numbers by their bits. */
export function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
    else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return halves;
}

/** Float32Array of half-precision numbers given as bits. */
export function fromHalf(bits) {
  const table = halfTable();
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  return values;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The header, read without the arrays: {id, meta, arrays, start}. */
export function readHeader(bytes) {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "BRV1") throw new Error("These are no packed arrays.");
  const n = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + n)));
  return { ...header, start: 8 + n };
}

/** {id, meta, arrays: {name: typed array}}; half-precision arrays come as bits. */
export async function unpack(bytes) {
  const header = readHeader(bytes);
  const arrays = {};
  await Promise.all(header.arrays.map(async ({ name, type, at, size, deflated }) => {
    let part = bytes.slice(header.start + at, header.start + at + size); // a copy lies on its own, so is aligned
    if (deflated) part = await inflate(part);
    arrays[name] = new TYPES[type](part.buffer, 0, part.byteLength / TYPES[type].BYTES_PER_ELEMENT);
  }));
  return { id: header.id, meta: header.meta, arrays };
}

/** Bits packed eight to a byte, first bit highest (numpy.packbits). */
export function bitAt(bits, i) {
  return (bits[i >> 3] >> (7 - (i & 7))) & 1;
}
