/** Firebase ID tokens, signed with keys that only these tests know. */
import { createSign, generateKeyPairSync } from 'node:crypto';

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** An RSA key with the id that tokens name it by. */
export class SigningKey {
  #id;
  #pair = generateKeyPairSync('rsa', { modulusLength: 2048 });

  constructor(id) {
    this.#id = id;
  }

  jwk() {
    return { ...this.#pair.publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: this.#id };
  }

  sign(claims) {
    const message = `${encode({ alg: 'RS256', kid: this.#id, typ: 'JWT' })}.${encode(claims)}`;
    const signature = createSign('RSA-SHA256').update(message).sign(this.#pair.privateKey, 'base64url');
    return `${message}.${signature}`;
  }
}

/** In seconds. A clock that differs from the server's by little must not spoil a test. */
const now = () => Math.floor(Date.now() / 1000) - 1;

/** What App Check says of an app. */
export function appClaims(project) {
  const [iat, number] = [now(), '1234567890'];
  return {
    iss: `https://firebaseappcheck.googleapis.com/${number}`,
    aud: [`projects/${number}`, `projects/${project}`],
    sub: `1:${number}:web:1`,
    iat,
    exp: iat + 3600,
  };
}

/**
 * What Firebase puts into the ID token of a user.
 *
 * @param lifetime in seconds
 */
export function claims(project, user, lifetime = 3600) {
  const then = now();
  return {
    iss: `https://securetoken.google.com/${project}`,
    aud: project,
    auth_time: then,
    user_id: user.uid,
    sub: user.uid,
    iat: then,
    exp: then + lifetime,
    email: user.email,
    email_verified: false,
    firebase: { identities: { email: [user.email] }, sign_in_provider: 'password' },
  };
}
