// C++20 coroutines, twice: with the least that resumes them in turn on one thread, and with a queue that any thread or
// interrupt may push to, which is what Duet's wake does.
#include <atomic>
#include <coroutine>
#include <exception>
#include <map>
#include <new>

#include "native.h"

namespace
{

// Frames are pooled: the last one freed is the next one used.
void *spare_frame;
std::size_t frame_bytes;

template <class mark> struct promise;

template <class mark> struct task {
    using promise_type = promise<mark>;
    promise_type *body;
};

// `mark`: what a queue keeps in each coroutine besides the link.
template <class mark> struct promise {
    promise *next = nullptr;
    [[no_unique_address]] mark queued{};

    static void *operator new(std::size_t bytes)
    {
        void *frame = spare_frame;

        frame_bytes = bytes;
        spare_frame = nullptr;
        return frame ? frame : ::operator new(bytes);
    }
    static void operator delete(void *frame)
    {
        spare_frame = frame;
    }
    task<mark> get_return_object()
    {
        return {this};
    }
    std::suspend_always initial_suspend() noexcept
    {
        return {};
    }
    std::suspend_never final_suspend() noexcept
    {
        return {};
    }
    void return_void()
    {
    }
    void unhandled_exception()
    {
        std::terminate();
    }
};

template <class mark> void resume(promise<mark> *body)
{
    std::coroutine_handle<promise<mark>>::from_promise(*body).resume();
}

// One thread: a list in order. Waking twice is a bug.
struct plain_queue {
    struct mark {
    };
    using promise = ::promise<mark>;

    promise *first = nullptr;
    promise *last = nullptr;

    void wake(promise *body)
    {
        body->next = nullptr;
        (first ? last->next : first) = body;
        last = body;
    }
    void poll()
    {
        promise *body = first;

        first = body->next;
        resume(body);
    }
};

// Any thread, any number of times: an atomic stack, taken whole and turned round.
struct any_queue {
    using mark = std::atomic<bool>;
    using promise = ::promise<mark>;

    std::atomic<promise *> inbox = nullptr;

    void wake(promise *body)
    {
        if (body->queued.exchange(true))
            return;
        body->next = inbox.load(std::memory_order_relaxed);
        while (!inbox.compare_exchange_weak(body->next, body)) {
        }
    }
    void poll()
    {
        promise *body = inbox.exchange(nullptr);
        promise *batch = nullptr;

        while (body) {
            promise *next = body->next;

            body->next = batch;
            batch = body;
            body = next;
        }
        while (batch) {
            promise *next = batch->next;

            batch->queued.store(false);
            resume(batch);
            batch = next;
        }
    }
};

// Its own promise, for a coroutine: does not suspend.
template <class promise> struct own_promise {
    promise *body = nullptr;

    bool await_ready() noexcept
    {
        return false;
    }
    bool await_suspend(std::coroutine_handle<promise> handle) noexcept
    {
        body = &handle.promise();
        return false;
    }
    promise *await_resume() noexcept
    {
        return body;
    }
};

template <class queue> struct ways {
    using promise = typename queue::promise;
    using task = ::task<typename queue::mark>;

    static inline queue ready;
    static inline state **states; // in their frames
    static inline promise **bodies;
    static inline std::size_t count;

    static void start(std::size_t tasks)
    {
        count = tasks;
        states = static_cast<state **>(native_memory(tasks * sizeof(*states)));
        bodies = static_cast<promise **>(native_memory(tasks * sizeof(*bodies)));
    }
    static std::uint64_t done(std::size_t task)
    {
        return states[task]->resumed;
    }

    // ---- a parked task is woken from outside ----

    static task parked(std::size_t index)
    {
        state own{};

        states[index] = &own;
        for (;;) {
            co_await std::suspend_always{};
            own.resumed++;
        }
    }
    static void wake_poll_prepare(std::size_t tasks)
    {
        start(tasks);
        bodies[0] = parked(0).body;
        resume(bodies[0]);
    }
    static void wake_poll_run(std::uint64_t times)
    {
        for (std::uint64_t i = 0; i < times; i++) {
            ready.wake(bodies[0]);
            ready.poll();
        }
    }

    // ---- a task wakes itself; many do ----

    static task looper(std::size_t index)
    {
        state own{};
        promise *self = co_await own_promise<promise>{};

        states[index] = &own;
        co_await std::suspend_always{};
        for (;;) {
            own.resumed++;
            ready.wake(self);
            co_await std::suspend_always{};
        }
    }
    static void round_robin_prepare(std::size_t tasks)
    {
        start(tasks);
        for (std::size_t i = 0; i < tasks; i++) {
            promise *body = looper(i).body;

            resume(body);
            ready.wake(body);
        }
    }
    static void round_robin_run(std::uint64_t times)
    {
        state *last = states[count - 1];
        std::uint64_t goal = last->resumed + times / count;

        while (last->resumed < goal)
            ready.poll();
    }

    // ---- two tasks ----

    static task pingpong(std::size_t index)
    {
        state own{};

        states[index] = &own;
        for (;;) {
            co_await std::suspend_always{};
            own.resumed++;
            ready.wake(bodies[!index]);
        }
    }
    static void pingpong_prepare(std::size_t tasks)
    {
        start(tasks);
        for (std::size_t i = 0; i < tasks; i++) {
            bodies[i] = pingpong(i).body;
            resume(bodies[i]);
        }
        ready.wake(bodies[0]);
    }
    static void pingpong_run(std::uint64_t times)
    {
        std::uint64_t goal = states[1]->resumed + times;

        while (states[1]->resumed < goal)
            ready.poll();
    }

    // ---- spawn ----

    static inline state finished;

    static task once()
    {
        state own{};

        own.resumed++;
        finished.resumed += own.resumed;
        co_return;
    }
    static void spawn_prepare(std::size_t tasks)
    {
        start(tasks);
        states[0] = &finished;
    }
    static void spawn_run(std::uint64_t times)
    {
        for (std::uint64_t i = 0; i < times; i++) {
            ready.wake(once().body);
            ready.poll();
        }
    }

    // ---- channel ----

    static inline ring64 ring;
    static inline promise *reader, *writer;
    static inline std::uint64_t received, goal;

    static void wake_waiting(promise *&waiting)
    {
        if (promise *body = waiting) {
            waiting = nullptr;
            ready.wake(body);
        }
    }
    static task producer()
    {
        promise *self = co_await own_promise<promise>{};

        for (std::uint64_t sent = 0;;) {
            while (ring64_full(&ring)) {
                writer = self;
                co_await std::suspend_always{};
            }
            ring64_put(&ring, sent++);
            wake_waiting(reader);
        }
    }
    static task consumer()
    {
        state own{};
        promise *self = co_await own_promise<promise>{};

        states[0] = &own;
        for (;;) {
            while (ring64_empty(&ring)) {
                reader = self;
                co_await std::suspend_always{};
            }
            own.resumed += ring64_take(&ring) == received++;
            wake_waiting(writer);
            if (received == goal) {
                ready.wake(self);
                co_await std::suspend_always{};
            }
        }
    }
    static void channel_prepare(std::size_t tasks)
    {
        start(tasks);
        ready.wake(consumer().body);
        ready.wake(producer().body);
    }
    static void channel_run(std::uint64_t times)
    {
        goal += times;
        while (received < goal)
            ready.poll();
    }

    // ---- woken by another thread ----

    static task acknowledger()
    {
        state own{};

        states[0] = &own;
        for (;;) {
            co_await std::suspend_always{};
            own.resumed++;
            cross_acknowledge();
        }
    }
    static void cross_wake()
    {
        ready.wake(bodies[0]);
    }
    static void cross_prepare(std::size_t tasks)
    {
        start(tasks);
        bodies[0] = acknowledger().body;
        resume(bodies[0]);
        cross_start(cross_wake);
    }
    static void cross_thread_run(std::uint64_t times)
    {
        cross_run(times);
        while (!cross_done())
            ready.poll();
    }

    static std::size_t task_bytes()
    {
        start(1);
        parked(0);
        return frame_bytes;
    }
};

// ---- timers: the standard library's ordered map ----

std::multimap<std::uint64_t, std::uint32_t> deadlines_map;
std::multimap<std::uint64_t, std::uint32_t>::iterator *places;

void timers_prepare(std::size_t timers)
{
    places = new std::multimap<std::uint64_t, std::uint32_t>::iterator[timers];
}

void timers_insert(const std::uint32_t *timers, const std::uint64_t *deadlines, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++)
        places[timers[i]] = deadlines_map.emplace(deadlines[i], timers[i]);
}

void timers_cancel(const std::uint32_t *timers, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++)
        deadlines_map.erase(places[timers[i]]);
}

void timers_expire(std::size_t least)
{
    while (timers_expired_count < least) {
        std::uint64_t now = deadlines_map.begin()->first;

        while (!deadlines_map.empty() && deadlines_map.begin()->first <= now) {
            std::uint32_t timer = deadlines_map.begin()->second;

            deadlines_map.erase(deadlines_map.begin());
            timers_expired(timer);
        }
    }
}

const char *version()
{
    return "g++ " __VERSION__;
}

using plain = ways<plain_queue>;
using any = ways<any_queue>;

} // namespace

extern "C" {
const peer peer_coroutine = {
    .id = "coroutine",
    .column = "C++20",
    .title = "C++20 coroutines",
    .version = version,
    .how =
        "`co_await`, and a linked list of ready coroutines. The floor of what a compiler can do: a wake may come from "
        "the same thread only, and once. Pooled frames. Timers: `std::multimap` of deadlines, with malloc",
    .slow = 1,
    .threads = false,
    .task_bytes = plain::task_bytes,
    .tasks_most = 1000000,
    .why_not_more = nullptr,
    .wake_poll = {plain::wake_poll_prepare, plain::wake_poll_run, plain::done, nullptr},
    .self_wake = {plain::round_robin_prepare, plain::round_robin_run, plain::done, nullptr},
    .pingpong = {plain::pingpong_prepare, plain::pingpong_run, plain::done, nullptr},
    .spawn = {plain::spawn_prepare, plain::spawn_run, plain::done, nullptr},
    .round_robin = {plain::round_robin_prepare, plain::round_robin_run, plain::done, nullptr},
    .channel = {plain::channel_prepare, plain::channel_run, plain::done, nullptr},
    .cross_thread = {nullptr, nullptr, nullptr, "its list is one thread's"},
    .timers = {timers_prepare, timers_insert, timers_cancel, timers_expire, nullptr},
};

const peer peer_coroutine_any = {
    .id = "coroutine_any",
    .column = "C++20 any",
    .title = "C++20 coroutines, woken from anywhere",
    .version = version,
    .how = "the same with a wake that another thread or an interrupt may call, twice or late: an atomic flag a "
           "coroutine and an atomic stack. What Duet's wake promises",
    .slow = 1,
    .threads = false,
    .task_bytes = any::task_bytes,
    .tasks_most = 1000000,
    .why_not_more = nullptr,
    .wake_poll = {any::wake_poll_prepare, any::wake_poll_run, any::done, nullptr},
    .self_wake = {any::round_robin_prepare, any::round_robin_run, any::done, nullptr},
    .pingpong = {any::pingpong_prepare, any::pingpong_run, any::done, nullptr},
    .spawn = {any::spawn_prepare, any::spawn_run, any::done, nullptr},
    .round_robin = {any::round_robin_prepare, any::round_robin_run, any::done, nullptr},
    .channel = {any::channel_prepare, any::channel_run, any::done, nullptr},
    .cross_thread = {any::cross_prepare, any::cross_thread_run, any::done, nullptr},
    .timers = {nullptr, nullptr, nullptr, nullptr, "the same timers as C++20 coroutines"},
};
}
