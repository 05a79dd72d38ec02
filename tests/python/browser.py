"""A headless Chromium, driven by its DevTools protocol; only the browser itself has to be there."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import connect

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


def find():
    """The browser: the one that `CLINPIPE_BROWSER` names, else the first that is installed."""
    named = os.environ.get("CLINPIPE_BROWSER")
    found = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    assert found, f"no browser: install chromium, or name one in CLINPIPE_BROWSER (looked for {named or NAMES})"
    return found


class Browser:
    """One tab. What happens in it is kept in `events` until the next page."""

    def __init__(self):
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--disable-background-networking", "--disable-extensions", "--hide-scrollbars"]
        flags += [f"--user-data-dir={self.home.name}", "--remote-debugging-port=0", "about:blank"]
        self.process = subprocess.Popen([find(), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.events, self.sent = [], 0
        port = self._port()
        self.sockets = ExitStack()
        # The tab has a socket of its own; which one, the browser's tells.
        self.socket = self.sockets.enter_context(connect(port, max_size=None))
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        address = port.split("/devtools")[0] + f"/devtools/page/{page}"
        self.socket = self.sockets.enter_context(connect(address, max_size=None))
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"]:
            self.call(f"{domain}.enable")

    def _port(self):
        file = Path(self.home.name) / "DevToolsActivePort"
        for _ in range(600):
            lines = file.read_text().split("\n") if file.exists() else []
            if len(lines) > 1:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            assert self.process.poll() is None, "the browser ended at once"
            time.sleep(0.1)
        raise AssertionError("the browser does not answer")

    def call(self, method, **params):
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.sent:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def screen(self, width, height=900, dark=False, media=""):
        """Sets the window, the colour scheme and the medium."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=scheme)

    def open(self, path):
        """Opens a file and waits until it has loaded."""
        self.visit(Path(path).resolve().as_uri())

    def visit(self, address):
        """Opens an address and waits until it has loaded."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self.socket.recv()))

    def run(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression, wanted="something"):
        """Waits until a JavaScript expression holds."""
        for _ in range(300):
            if self.run(f"!!({expression})"):
                return
            time.sleep(0.1)
        raise AssertionError(f"{wanted} did not come: {expression}\n{self.complaints()}\n{self.run('document.body.innerText')}")

    def click(self, selector):
        """Presses the mouse in the middle of an element, as a person would: what lies over it gets the click."""
        place = f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2] }})()"
        x, y = self.run(place)
        for kind in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector, text):
        """Puts a text in place of what an input holds."""
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def choose(self, selector, level):
        """Chooses the option with that text."""
        script = f"(() => {{ const s = document.querySelector({json.dumps(selector)}); s.focus(); s.value = [...s.options].find(o => o.text === {json.dumps(level)}).value; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})()"
        self.run(script)

    def press(self, key, code=0, text=""):
        """Presses a key where the focus is."""
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "")

    def upload(self, selector, path):
        """Chooses a file."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def downloads(self, directory):
        """Lets downloads go to a directory."""
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(directory))

    def picture(self, path):
        """Writes a picture of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        Path(path).write_bytes(base64.b64decode(shot))

    def complaints(self):
        """What was written to the console, thrown, or refused."""
        kinds = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def requests(self):
        """The addresses that were asked for; data in the page itself is no request."""
        asked = [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]

    def close(self):
        self.sockets.close()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.home.cleanup()
