"""Calls every URL of the gateway with each HTTP library that is installed, and prints the bodies."""

import json
import sys
import urllib.request

url, live, test = sys.argv[1:]
CALLS = [
    ("/tgscan/v1/search", {"query": "some_username"}),
    ("/tgscan/v1/chat/similar", {"query": "some_username1,some_username2"}),
    ("/tgscan/v1/user/check", {"query": "136817688"}),
    ("/tgscan/v1/balance", {}),
]


def with_urllib(url, key, form):
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, body, {"Api-Key": key})
    return urllib.request.urlopen(request, timeout=60).read().decode()


libraries = {"urllib": with_urllib}
try:
    import requests

    session = requests.Session()
    libraries["requests"] = lambda url, key, form: session.post(
        url, headers={"Api-Key": key}, data=form, timeout=60
    ).text
except ImportError:
    pass
try:
    import httpx

    client = httpx.Client(timeout=60)
    libraries["httpx"] = lambda url, key, form: client.post(
        url, headers={"Api-Key": key}, data=form
    ).text
except ImportError:
    pass

for name, call in libraries.items():
    for path, form in CALLS:
        print(name, path, call(url + path, live, form))
        if "balance" not in path:
            path = path.replace("/v1/", "/v1/test/")
            answer = json.loads(call(url + path, test, form))
            print(name, path, answer["status"])
