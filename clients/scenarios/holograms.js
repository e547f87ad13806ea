/** The page's own clients, which call the functions by fetch and read their answers in ways of their own. */

const json = { 'Content-Type': 'application/json' };

/** The text of a refusal: `.message`, `.error`, the text itself, or the status. */
async function explanation(response) {
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return body?.message || body?.error || text || `HTTP error! Status: ${response.status}`;
}

export async function syncUserAuth(base, idToken) {
  const headers = { Authorization: `Bearer ${idToken}`, ...json };
  const response = await fetch(`${base}/auth_sync`, { method: 'POST', headers, body: JSON.stringify({}) });
  if (!response.ok) throw new Error(`Backend user sync failed: ${await explanation(response)}`);
  const isJson = response.headers.get('content-type')?.includes('application/json');
  return isJson ? response.json() : { status: response.status, message: 'User sync processed.' };
}

/** @param field what the message is called: `text`, for one day `message` */
export async function sendChatMessage(base, idToken, text, field = 'text') {
  const headers = { Authorization: `Bearer ${idToken}`, ...json };
  const body = JSON.stringify({ [field]: text });
  const response = await fetch(`${base}/tria_chat_handler`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`Tria bot request failed: ${await explanation(response)}`);
  return response.json();
}

/** The chat window, which knows one URL by heart and sends no token. @returns what it shows */
export async function askFromChatWindow(base, text, uid) {
  const body = JSON.stringify({ text, firebase_user_id: uid });
  const url = `${base}/tria_chat_handler_on_request`;
  const response = await fetch(url, { method: 'POST', headers: json, body });
  if (response.ok) return (await response.json()).response || "Sorry, I didn't get a proper response.";
  return (await response.json()).response || `Error: ${response.statusText}`;
}

export async function uploadChunk(base, uid, file, idToken) {
  const form = new FormData();
  form.append('file', file);
  const headers = { Authorization: `Bearer ${idToken}` };
  const response = await fetch(`${base}/api/v1/upload_chunk/${uid}`, { method: 'POST', headers, body: form });
  const body = await response.json();
  if (!response.ok) throw new Error(`Upload failed: ${body.detail || response.statusText}`);
  return body;
}

export async function getPresignedUrl(base, filename, contentType, idToken) {
  const response = await fetch(`${base}/api/v1/generate-upload-url`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${idToken}`, ...json },
    body: JSON.stringify({ filename, content_type: contentType }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`Failed to get presigned URL: ${body.detail}`);
  return body;
}

/** Sends the fields that the server gave, the file last, and no token. */
export async function uploadToPresignedUrl({ url, fields }, file) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', file);
  const response = await fetch(url, { method: 'POST', body: form });
  if (!response.ok) throw new Error(`Upload failed: ${response.status} ${await response.text()}`);
}

/** The object's name under which the page stores a recording. */
export function recordingName(uid, file) {
  const safe = file.name.replace(/[^A-Za-z0-9._-]/g, '').slice(0, 50);
  const chunkId = `${Date.now()}_${Math.random().toString(36).slice(2, 7)}_${safe}`;
  return { path: `user_uploads/${uid}/${chunkId}_${file.name}`, chunkId };
}
