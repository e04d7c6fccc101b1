#pragma once

#include <map>
#include <string>
#include <vector>

#include "mesh/io/transport.hpp"
#include "node.hpp"

// Between a node and the network: tells it what has come, and does with links what it wants done.

namespace dagz {

Moment moment_now();

class Carrier {
 public:
  // `keyring` must outlive it.
  explicit Carrier(const mesh::Keyring& keyring) : transport_(keyring) {}

  mesh::Transport& transport() { return transport_; }
  const mesh::Transport& transport() const { return transport_; }

  // The addresses of those that were dialled and refuse our key.
  std::vector<std::string> receive(Node& node, Moment at);
  void perform(Node& node, Moment at, const mesh::LinkActions& actions);

 private:
  mesh::Transport transport_;
  std::map<mesh::LinkId, std::string> dialled_;
};

}  // namespace dagz
