# Sourced by test.sh: a signed-in user of the container, whose token is signed by a key of our own in Google's place.

readonly KEYS_PORT=9099
readonly KEYS_URL=http://127.0.0.1:$KEYS_PORT/keys.json

# sign_in UID: serves the public key inside the container that runs, and leaves `token`, an ID token of UID's.
sign_in() {
    local folder=$work/keys modulus
    mkdir -p "$folder"
    openssl genrsa -out "$work/private.pem" 2048 2>/dev/null
    modulus=$(openssl rsa -in "$work/private.pem" -noout -modulus | cut -d= -f2 | basenc --base16 --decode | base64url)
    printf '{"keys":[{"kid":"ours","kty":"RSA","alg":"RS256","use":"sig","e":"AQAB","n":"%s"}]}' "$modulus" \
        >"$folder/keys.json"
    # Among the container's processes, so that it ends with them.
    nsenter --target "$router" --net --pid \
        python3 -m http.server --bind 127.0.0.1 --directory "$folder" "$KEYS_PORT" >/dev/null 2>&1 &
    eventually request "$KEYS_URL" --output /dev/null
    token=$(sign "$1")
}

sign() {
    local project now text
    project=$(sed -nE '/^\[project\]/,/^\[[^p]/ s/^id *= *"([^"]+)".*/\1/p' manifest.toml)
    now=$(date +%s)
    text=$(printf '{"alg":"RS256","kid":"ours","typ":"JWT"}' | base64url).$(
        printf '{"iss":"https://securetoken.google.com/%s","aud":"%s","sub":"%s","iat":%d,"auth_time":%d,"exp":%d}' \
            "$project" "$project" "$1" "$now" "$now" $((now + 3600)) | base64url
    )
    printf '%s.%s' "$text" "$(printf %s "$text" | openssl dgst -sha256 -sign "$work/private.pem" | base64url)"
}

base64url() { basenc --base64url --wrap 0 | tr -d =; }

# request URL [CURL-OPTION…]: inside the container's network; a status of 400 or more is a failure and is shown.
request() {
    nsenter --target "$router" --net curl --fail-with-body --silent --show-error --max-time "$PATIENCE" "$@"
}
