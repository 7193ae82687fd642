"""Calls the seven URLs with Python's standard library: client.py URL CA_FILE STATUS_OF_A_WRONG_KEY.

Prints one body per line, for the caller to compare. Fails if a check fails.
"""

import http.client
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

url, ca, wrong_key = sys.argv[1], sys.argv[2], int(sys.argv[3])
trust = ssl.create_default_context(cafile=ca)


def call(path, key, **form):
    headers = {"Api-Key": key}
    request = urllib.request.Request(f"{url}/tgscan/v1/{path}", urllib.parse.urlencode(form).encode(), headers)
    with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
        return answer.read().decode()


def control(http_method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_mock/{path}", data, method=http_method)
    with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
        return json.load(answer)


def fails(error, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__}")


for key, test in [("mock-live-key", ""), ("mock-test-key", "test/")]:
    print(call(f"{test}search", key, query="some_username"))
    print(call(f"{test}chat/similar", key, query="some_username1,some_username2"))
    print(call(f"{test}user/check", key, query="136817688"))
print(call("balance", "mock-live-key"))

# Errors are envelopes too.
if wrong_key == 200:
    assert json.loads(call("search", "wrong-key", query="alice"))["status"] == "error"
else:
    refused = fails(urllib.error.HTTPError, call, "search", "wrong-key", query="alice")
    assert refused.code == wrong_key and json.load(refused)["status"] == "error"

# A fault from the control paths: charged, then the connection is reset.
before = control("GET", "state")["credits"]
control("POST", "faults", [{"kind": "reset", "charged": True}])
fails((urllib.error.URLError, http.client.HTTPException, OSError), call, "search", "mock-live-key", query="alice")
assert control("GET", "state")["credits"] == before - 1
assert control("GET", "requests")[-1]["form"] == "query=alice"
# The same request with its answer, by the paths that the inspector uses.
changes = control("GET", "changes")
last = changes["requests"][-1]
assert control("GET", f"request?number={last['number']}")["answer"]["end"] == "reset"
assert control("GET", "changes?after=" + changes["cursor"])["oldest"] == 1

# The rest uses every path in the document of the control paths.
document = control("GET", "control.json")
assert document["info"]["title"] == "Control paths of tgscan-mock"
used = {"/_mock/" + name for name in ("state", "requests", "request", "changes", "reset", "faults", "expectations")}
assert used == {path for path in document["paths"] if not path.endswith(".json")}

# The seed, costs, keys and latency can be changed.
changed = {"seed": 8, "credits": 50, "latency_ms": 1, "live_keys": ["new-key"], "costs": {"search": {"usual": 7}}}
assert control("PUT", "state", changed)["seed"] == 8
assert json.loads(call("search", "new-key", query="alice"))["result"]["meta"]["op_cost"] == 7
last = control("GET", "requests")[-1]
assert last["charged"] == 7 and last["refusal"] is None and last["received_ms"] > 1_700_000_000_000
assert "api-key" not in last["headers"] and last["headers"]["content-type"]
wrong = fails(urllib.error.HTTPError, control, "PUT", "state", {"sede": 8})
assert wrong.code == 400 and "unknown field `sede`" in json.load(wrong)["error"]

# The state at the start.
control("POST", "reset")
state = control("GET", "state")
assert (state["seed"], state["credits"], state["latency_ms"], state["faults_left"]) == (7, 1000, 0, 0)

# Given answers, an error with a given message, and missing calls.
pinned = {"user": {"id": 7}, "meta": {"num_groups": 0, "known_num_groups": 0, "op_cost": 4}}
control("POST", "expectations", [
    {"method": "search", "query": "alice", "times": 2, "answer": pinned, "name": "two searches for Alice"},
    {"method": "balance", "fault": {"kind": "error_envelope", "status": 200, "message": "not today"}},
])
for _ in range(2):
    assert json.loads(call("search", "mock-live-key", query="alice"))["result"]["user"]["id"] == 7
result = control("GET", "expectations")
assert not result["satisfied"] and "balance" in result["report"]
assert "not today" in call("balance", "mock-live-key")
assert control("GET", "expectations") == {"satisfied": True, "report": None}
control("DELETE", "expectations")

# One fault for several requests.
assert control("POST", "faults", [{"kind": "error_envelope", "status": 200, "times": 2}])["faults_left"] == 2
for _ in range(2):
    assert json.loads(call("search", "mock-live-key", query="alice"))["status"] == "error"
assert control("GET", "faults")["faults_left"] == 0
control("POST", "faults", [{"kind": "reset"}])
assert control("DELETE", "faults")["faults_left"] == 0

# Without the authority, the server is not trusted.
trusted, trust = trust, ssl.create_default_context()
distrust = fails(urllib.error.URLError, call, "balance", "mock-live-key")
assert isinstance(distrust.reason, ssl.SSLCertVerificationError), distrust


# The live host name, resolved to the mock: the certificate is checked for that name.
class Pointed(http.client.HTTPSConnection):
    def connect(self):
        host, port = url.split("//")[1].split(":")
        plain = http.client.socket.create_connection((host, int(port)), timeout=30)
        self.sock = trusted.wrap_socket(plain, server_hostname=self.host)


def pointed(name):
    connection = Pointed(name)
    connection.request("POST", "/tgscan/v1/balance", headers={"Api-Key": "mock-live-key"})
    return json.load(connection.getresponse())["status"]


assert pointed("api.tgdev.io") == "ok"
fails(ssl.SSLCertVerificationError, pointed, "other.tgdev.io")
