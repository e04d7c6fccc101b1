#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "mesh/io/descriptor.hpp"

namespace dagz::mesh {

// One call at a time that may block for long (name servers, network file systems), on a thread of
// its own. Destroying this never waits: a call that is still under way ends unheard. So a call must
// own all it touches.
template <class Result>
class Background {
 public:
  Background() : shared_(std::make_shared<Shared>()) {
    shared_->done = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  bool busy() const { return busy_; }
  // Readable once the call has ended, until take().
  int poll_fd() const { return shared_->done.get(); }

  // False if no thread could be started. Not while busy.
  bool start(std::function<Result()> call) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the loop
    try {
      std::thread([shared = shared_, call = std::move(call)] {
        Result result = call();
        const std::lock_guard lock(shared->mutex);
        shared->result = std::move(result);
        eventfd_write(shared->done.get(), 1);
      }).detach();
      busy_ = true;
    } catch (const std::system_error&) {
      busy_ = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return busy_;
  }

  std::optional<Result> take() {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->result) return std::nullopt;
    eventfd_t ignored = 0;
    eventfd_read(shared_->done.get(), &ignored);
    busy_ = false;
    return std::exchange(shared_->result, std::nullopt);
  }

 private:
  struct Shared {
    std::mutex mutex;
    std::optional<Result> result;
    Descriptor done;
  };
  std::shared_ptr<Shared> shared_;
  bool busy_ = false;
};

}  // namespace dagz::mesh
