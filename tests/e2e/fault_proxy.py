"""A TCP proxy on loopback that loses what it is told to lose."""
import contextlib
import socket
import threading


class FaultProxy:
    """Forwards to 127.0.0.1:target until told otherwise."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        self.answers_blocked = False
        self.refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def block_answers(self):
        """From now on nothing goes from the server to the client; the other way stays open."""
        with self.lock:
            self.answers_blocked = True

    def refuse(self, refusing):
        """New connections are closed at once."""
        with self.lock:
            self.refusing = refusing

    def cut(self):
        """Ends all connections."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for sockets in pairs:
            for one in sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def restore(self):
        """Connections that were blocked end; new ones go through."""
        with self.lock:
            self.answers_blocked = False
            self.refusing = False
        self.cut()

    def close(self):
        self.cut()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.refusing:
                    client.close()
                    continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                with self.lock:
                    drop = answers and self.answers_blocked
                if not drop:
                    sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
