"""The service in Python that the router stands in for: FastAPI on uvicorn, and Firebase's Admin SDK."""

import os
from pathlib import Path
from typing import Annotated

import aiofiles
import firebase_admin
from fastapi import Depends, FastAPI, Header, HTTPException, UploadFile
from fastapi.responses import HTMLResponse
from firebase_admin import _token_gen, auth, credentials
from pydantic import BaseModel

# The SDK knows Google's address alone; the benchmark has its own keys.
_token_gen.ID_TOKEN_CERT_URI = os.environ["ID_TOKEN_CERT_URI"]
firebase_admin.initialize_app(credentials.Certificate(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]))

CHUNKS = Path(os.environ["RENDER_DISK_BASE_PATH"]) / "user_chunks"
PIECE = 1024 * 1024
HELLO = "Hello from Firebase Cloud Functions (Python) by Tria & Flash!"

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


class Greeting(BaseModel):
    name: str


async def caller(authorization: Annotated[str, Header()] = "") -> str:
    # In place: a thread for each would cost more than the check.
    try:
        return auth.verify_id_token(authorization.removeprefix("Bearer "))["uid"]
    except (ValueError, auth.InvalidIdTokenError) as error:
        raise HTTPException(401, "Invalid ID token") from error


@app.get("/hello_world", response_class=HTMLResponse)
async def hello_world() -> str:
    return HELLO


@app.post("/greet")
async def greet(greeting: Greeting, uid: Annotated[str, Depends(caller)]):
    return {"hello": greeting.name, "uid": uid}


@app.post("/api/v1/chunks/upload_chunk/{user_id}")
async def upload_chunk(user_id: str, file: UploadFile, uid: Annotated[str, Depends(caller)]):
    filename = Path(file.filename or "").name
    if user_id != uid or "/" in uid or filename in ("", ".", ".."):
        raise HTTPException(403, "Forbidden")
    folder = CHUNKS / uid
    folder.mkdir(parents=True, exist_ok=True)
    async with aiofiles.open(folder / filename, "wb") as out:
        while piece := await file.read(PIECE):
            await out.write(piece)
    return {"message": f"Chunk '{filename}' uploaded successfully for user '{user_id}'."}
