/** A stand-in for the chat completions of the LLM provider, which remembers what it was asked. */
import { json } from 'node:stream/consumers';

export class Llm {
  /** The requests' headers and bodies. */
  asked = [];
  /** What it says next. */
  reply = 'pong';
  status = 200;

  /** Answers a request of `node:http`. */
  handle = async (request, response) => {
    this.asked.push({ path: request.url, headers: request.headers, body: await json(request) });
    response.writeHead(this.status, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content: this.reply };
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  };
}
