/* The mark of lib/completion.h. */
#include "lib/completion.h"

struct waker completion_done_mark;
