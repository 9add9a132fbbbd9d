#pragma once

// Sockets on 127.0.0.1 for relays.

#include <netinet/in.h>

namespace convoy::test {

sockaddr_in loopback(int port);

struct ListeningSocket {
  int socket = -1;
  int port = 0;
};

// On a port that is free. Throws std::runtime_error.
ListeningSocket listen_on_loopback();

}  // namespace convoy::test
