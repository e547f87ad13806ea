/** The certificate under which these tests serve, which run.sh makes and has Node trust. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** @returns {{ key: Buffer, cert: Buffer }} */
export function identity() {
  const folder = process.env.CLIENTS_IDENTITY;
  if (!folder) throw new Error('no certificate: start the tests by clients/run.sh');
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(path.join(folder, name)));
  return { key, cert };
}
