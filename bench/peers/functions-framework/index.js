// hello_world, as a Cloud Function of the first generation would be run outside of Google.

import functions from '@google-cloud/functions-framework';

functions.http('hello_world', (request, response) => {
  response.type('html').send('Hello from Firebase Cloud Functions (Python) by Tria & Flash!');
});
