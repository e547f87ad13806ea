/** A stand-in for the chat completions of the LLM provider, whole and in pieces, which remembers what it was asked. */
import { json } from 'node:stream/consumers';

export const REPLY = ['po', 'ng'];

export class Llm {
  /** The requests' headers and bodies. */
  asked = [];

  /** Answers a request of `node:http`. */
  handle = async (request, response) => {
    const body = await json(request);
    this.asked.push({ path: request.url, headers: request.headers, body });
    if (body.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of REPLY) response.write(event({ choices: [{ index: 0, delta: { content } }] }));
      response.end(`${event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}data: [DONE]\n\n`);
    } else {
      const message = { role: 'assistant', content: REPLY.join('') };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
    }
  };
}

const event = (chunk) => `data: ${JSON.stringify(chunk)}\n\n`;
