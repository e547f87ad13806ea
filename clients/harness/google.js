/**
 * A stand-in for what the SDK and the server ask Google: Identity Toolkit, Secure Token, and the keys of the tokens.
 * The API key that a client sends is taken for its project. Paths may begin with Google's host, as under
 * `connectAuthEmulator`.
 */
import { randomUUID } from 'node:crypto';
import { json, text } from 'node:stream/consumers';

import { SigningKey, appClaims, claims } from './tokens.js';

const CORS = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' };

export class Google {
  #key = new SigningKey('clients');
  /** By e-mail. */
  #users = new Map();
  /** By refresh token. */
  #sessions = new Map();
  /** How often a session was refreshed. */
  refreshes = 0;
  /** Seconds for which the next ID tokens are good. */
  lifetime = 3600;

  /** Answers a request of `node:http`. */
  handle = async (request, response) => {
    const url = new URL(request.url, 'http://google');
    const call = /\/v1\/(accounts:\w+|token)$/.exec(url.pathname)?.[1];
    const [status, body] = await this.#answer(url, call, request);
    // The SDK's own header is sent beside the wildcard, which does not cover `Authorization`.
    const allowed = request.headers['access-control-request-headers'] ?? '*';
    response.writeHead(status, {
      ...CORS,
      'access-control-allow-headers': allowed,
      'content-type': 'application/json; charset=UTF-8',
      'cache-control': 'public, max-age=19000',
    });
    response.end(JSON.stringify(body));
  };

  /** A token of App Check for an app of `project`. */
  vouch(project) {
    return this.#key.sign(appClaims(project));
  }

  async #answer(url, call, request) {
    const project = url.searchParams.get('key');
    if (request.method === 'OPTIONS') return [200, {}];
    if (url.pathname === '/jwks') return [200, { keys: [this.#key.jwk()] }];
    switch (call) {
      case 'accounts:signUp':
        return this.#signUp(project, await json(request));
      case 'accounts:signInWithPassword':
        return this.#signIn(project, await json(request));
      case 'accounts:lookup':
        return this.#lookUp(await json(request));
      case 'token':
        return this.#refresh(project, new URLSearchParams(await text(request)));
      default:
        return refusal('NOT_FOUND', 404);
    }
  }

  #signUp(project, { email, password }) {
    if (this.#users.has(email)) return refusal('EMAIL_EXISTS');
    const user = { uid: `u${randomUUID().replaceAll('-', '').slice(0, 27)}`, email, password };
    this.#users.set(email, user);
    return this.#session(project, user, 'identitytoolkit#SignupNewUserResponse');
  }

  #signIn(project, { email, password }) {
    const user = this.#users.get(email);
    if (user?.password !== password) return refusal('INVALID_LOGIN_CREDENTIALS');
    return this.#session(project, user, 'identitytoolkit#VerifyPasswordResponse');
  }

  #session(project, user, kind) {
    const refreshToken = randomUUID();
    this.#sessions.set(refreshToken, user);
    const idToken = this.#idToken(project, user);
    const { uid: localId, email } = user;
    return [200, { kind, localId, email, idToken, refreshToken, expiresIn: String(this.lifetime) }];
  }

  #lookUp({ idToken }) {
    const { sub, email } = JSON.parse(Buffer.from(idToken.split('.')[1], 'base64url'));
    const times = { createdAt: '1763900000000', lastLoginAt: '1763900000000', validSince: '1763900000' };
    return [200, { kind: 'identitytoolkit#GetAccountInfoResponse', users: [{ localId: sub, email, ...times }] }];
  }

  #refresh(project, form) {
    const token = form.get('refresh_token');
    const user = this.#sessions.get(token);
    if (!user) return refusal('INVALID_REFRESH_TOKEN');
    this.refreshes += 1;
    this.lifetime = 3600;
    const id = this.#idToken(project, user);
    return [
      200,
      {
        access_token: id,
        id_token: id,
        refresh_token: token,
        expires_in: '3600',
        token_type: 'Bearer',
        user_id: user.uid,
        project_id: project,
      },
    ];
  }

  #idToken(project, user) {
    return this.#key.sign(claims(project, user, this.lifetime));
  }
}

function refusal(message, code = 400) {
  return [code, { error: { code, message, errors: [{ message, domain: 'global', reason: 'invalid' }] } }];
}
