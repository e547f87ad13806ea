/** What the page does: it signs a user in, makes the user known, chats, and uploads recordings. */
import { content, same } from './content.js';
import { equal, ok } from './expect.js';
import {
  askFromChatWindow,
  getPresignedUrl,
  recordingName,
  sendChatMessage,
  syncUserAuth,
  uploadChunk,
  uploadToPresignedUrl,
} from './holograms.js';

async function signedIn(world) {
  const uid = await world.signIn();
  return { uid, token: await world.auth.currentUser.getIdToken(), base: world.place.base };
}

async function refusal(promise, pattern) {
  const error = await promise.then(() => undefined, (error) => error);
  ok(error && pattern.test(error.message), `refused as ${pattern}, got ${error?.message}`);
}

export const page = {
  async 'a user who signs in is made known once'(world) {
    const { uid, token, base } = await signedIn(world);
    equal(await syncUserAuth(base, token), { status: 'success', message: 'User created', user_id: uid });
    const again = { status: 'success', message: 'User already exists and is synced', user_id: uid };
    equal(await syncUserAuth(base, token), again);
    equal(await syncUserAuth(`${base}/`, token), again, 'with two slashes');
    equal(await syncUserAuth(`${base}/${world.place.project}/europe-west1`, token), again, 'by the old path');
  },

  async 'a refusal can be read'(world) {
    const { base, uid } = await signedIn(world);
    await refusal(syncUserAuth(base, 'garbage'), /^Backend user sync failed: Invalid or expired token\.$/);
    const file = new File([content(10)], 'x.webm');
    await refusal(uploadChunk(base, uid, file, 'garbage'), /^Upload failed: Invalid or expired token\.$/);
  },

  async 'a message is answered'(world) {
    const { base, token } = await signedIn(world);
    equal(await sendChatMessage(base, token, 'ping'), { response: 'pong' });
    equal(await sendChatMessage(base, token, 'ping', 'message'), { response: 'pong' }, 'by the other name');
    const [{ headers, body }] = (await world.control.asked()).slice(-1);
    equal([body.model, body.temperature, body.max_tokens], ['mistral-medium-latest', 0.7, 300]);
    equal(headers.authorization, 'Bearer an-llm-key');
    ok(JSON.stringify(body.messages).includes('ping'), 'the message reaches the model');
    ok(!JSON.stringify(body.messages).includes(world.auth.currentUser.uid), 'the uid does not');
  },

  async 'a message that is refused says why'(world) {
    const { base, token } = await signedIn(world);
    await refusal(sendChatMessage(base, 'garbage', 'ping'), /^Tria bot request failed: Invalid or expired token\.$/);
    await refusal(sendChatMessage(base, token, ''), /^Tria bot request failed: Missing required 'text' field/);
  },

  async 'the chat window without a token shows that it must sign in'(world) {
    const { uid } = await signedIn(world);
    const shown = await askFromChatWindow(world.place.former, 'ping', uid);
    ok(shown !== 'pong' && shown.length > 0, `it shows ${shown}`);
  },

  async 'a chunk is uploaded by the form'(world) {
    const { uid, token, base } = await signedIn(world);
    const file = new File([content(2000)], 'запись 1.webm', { type: 'video/webm' });
    const answer = await uploadChunk(base, uid, file, token);
    const { message, user_id, original_filename, content_type, size, stored_filename, storage_key } = answer;
    equal(message, 'Chunk uploaded successfully. Metadata processing initiated.');
    equal([user_id, original_filename, content_type, size], [uid, 'запись 1.webm', 'video/webm', 2000]);
    equal(storage_key, `user_chunks/${uid}/${stored_filename}`);
  },

  async "the seed's own upload and download are a round trip"(world) {
    const { uid, token, base } = await signedIn(world);
    const form = new FormData();
    form.append('file', new File([content(3000)], 'звук 1.wav'));
    const headers = { Authorization: `Bearer ${token}` };
    const up = await fetch(`${base}/api/v1/chunks/upload_chunk/${uid}`, { method: 'POST', headers, body: form });
    equal(await up.json(), { message: `Chunk 'звук 1.wav' uploaded successfully for user '${uid}'.` });
    const name = encodeURIComponent('звук 1.wav');
    const down = await fetch(`${base}/api/v1/chunks/download_chunk/${uid}/${name}`, { headers });
    equal([down.status, down.headers.get('content-disposition')], [200, `attachment; filename*=utf-8''${name}`]);
    same(await down.arrayBuffer(), content(3000));
  },
};

export const presigned = {
  async 'a recording goes to the URL that the server signs'(world) {
    const { uid, token, base } = await signedIn(world);
    const file = new File([content(500_000)], 'recording.webm', { type: 'video/webm' });
    const permit = await getPresignedUrl(base, file.name, file.type, token);
    ok(permit.object_key.startsWith(`user_uploads/${uid}/`), permit.object_key);
    ok(permit.object_key.endsWith('.webm'), permit.object_key);
    await uploadToPresignedUrl(permit, file);
    const ref = world.sdk.ref(world.storage, permit.object_key);
    same(await world.sdk.getBytes(ref), content(500_000));
    equal((await world.sdk.getMetadata(ref)).contentType, 'video/webm');
  },

  async 'nobody gets a URL without a token'(world) {
    await refusal(getPresignedUrl(world.place.base, 'x.webm', 'video/webm', ''), /^Failed to get presigned URL: \S/);
  },

  async 'a recording goes to Storage as the page sends it'(world) {
    const { uid } = await signedIn(world);
    const file = new File([content(400_000)], 'моя запись.webm', { type: 'video/webm' });
    const { path } = recordingName(uid, file);
    const clientTimestamp = new Date().toISOString();
    const customMetadata = { firebaseUserId: uid, originalFilename: file.name, clientTimestamp };
    const { sdk } = world;
    const body = new Uint8Array(await file.arrayBuffer());
    const snapshot = await sdk.uploadBytesResumable(sdk.ref(world.storage, path), body, {
      contentType: file.type,
      customMetadata,
    });
    equal([snapshot.metadata.fullPath, snapshot.metadata.customMetadata], [path, customMetadata]);
  },
};
