/** Assertions that hold in Node and in a page alike. */

/** @throws unless both are the same JSON, whatever the order of their keys */
export function equal(actual, expected, what = 'value') {
  const [left, right] = [canonical(actual), canonical(expected)];
  if (left !== right) throw new Error(`${what}: expected ${right}, got ${left}`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** @returns what `promise` rejects with, which must have that `code` of the SDK */
export async function rejects(promise, code) {
  const outcome = await within(promise.then((value) => ({ value }), (error) => ({ error })), `a refusal as ${code}`);
  if (!outcome.error) throw new Error(`expected ${code}, got ${canonical(outcome.value)}`);
  const { error } = outcome;
  if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}: ${error.message} ${error.stack}`);
  return error;
}

/** Long enough for every retry of the SDK that a test provokes; what hangs for longer hangs for ever. */
const PATIENCE = 60_000;

/** @throws when `promise` does not settle */
export async function within(promise, what) {
  let alarm;
  const late = new Promise((_, reject) => {
    alarm = setTimeout(() => reject(new Error(`waited ${PATIENCE} ms in vain: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(alarm));
}

/** Asks until `condition` holds. */
export async function eventually(condition, what) {
  let over = false;
  const asking = async () => {
    while (!over && !(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await within(asking(), what).finally(() => (over = true));
}

function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part === undefined ? '\u0000undefined' : part,
  );
}
