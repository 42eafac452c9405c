// A bad network between two network namespaces, for kernels without sch_netem: a TUN device in each, and between them, in
// each direction, loss, duplicates, delay, and packets that overtake others.
//
//   cc -O2 -o linkem linkem.c
//   linkem NAMESPACE_A 10.78.0.1 NAMESPACE_B 10.78.0.2        (files: /proc/PID/ns/net; needs root and /dev/net/tun)
//
// Says "up" when the devices are there. Then each line of its input is answered by one of its output:
//
//   loss=2 dup=2 reorder=2 delay=10      percent and milliseconds, of both directions; what is not named stays as it was
//   stats                                 {"up":{"in":…,"out":…,"lost":…},"down":{…}}: up is from B to A
//
// It ends with its input. Linux: Documentation/networking/tuntap.rst.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MTU 1500
#define WAITING 65536

// ---- Packets that are under way, the earliest first: a binary heap.

typedef struct {
  uint64_t at;   // microseconds
  uint64_t turn; // what was sent first leaves first
  int length;
  unsigned char *octets;
} packet;

typedef struct {
  double loss, dup, reorder, delay;
} network;

typedef struct {
  int from, to;
  packet *heap;
  int count;
  uint64_t turn, in, out, lost;
} direction;

static int is_before(const packet *a, const packet *b) { return a->at != b->at ? a->at < b->at : a->turn < b->turn; }

static void push(direction *way, uint64_t at, const unsigned char *octets, int length) {
  packet new = {at, way->turn++, length, malloc(length)};
  if (way->count == WAITING || new.octets == NULL) {
    free(new.octets);
    way->lost++;
    return;
  }
  memcpy(new.octets, octets, length);
  int index = way->count++;
  for (; index && is_before(&new, &way->heap[(index - 1) / 2]); index = (index - 1) / 2) way->heap[index] = way->heap[(index - 1) / 2];
  way->heap[index] = new;
}

static packet pop(direction *way) {
  packet first = way->heap[0], last = way->heap[--way->count];
  int index = 0;
  for (int child; (child = 2 * index + 1) < way->count; index = child) {
    if (child + 1 < way->count && is_before(&way->heap[child + 1], &way->heap[child])) child++;
    if (!is_before(&way->heap[child], &last)) break;
    way->heap[index] = way->heap[child];
  }
  way->heap[index] = last;
  return first;
}

// ---- The network

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000ull + time.tv_nsec / 1000;
}

// xorshift64 with a seed of its own: whether a packet gets lost depends on its number alone. 0 to 100.
static double percent(void) {
  static uint64_t state = 88172645463325252ull;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) * (100.0 / 9007199254740992.0);
}

static void take(direction *way, const network *network, const unsigned char *octets, int length) {
  way->in++;
  if (percent() < network->loss) {
    way->lost++;
    return;
  }
  // What was sent after it overtakes it.
  double delay = network->delay * (percent() < network->reorder ? 2 : 1);
  uint64_t at = now() + (uint64_t)(delay * 1000);
  push(way, at, octets, length);
  if (percent() < network->dup) push(way, at, octets, length);
}

static void deliver(direction *way, uint64_t until) {
  while (way->count && way->heap[0].at <= until) {
    packet due = pop(way);
    if (write(way->to, due.octets, due.length) == due.length) way->out++;
    free(due.octets);
  }
}

// ---- Devices

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void set(int control, unsigned long request, void *argument, const char *what) {
  if (ioctl(control, request, argument)) fail(what);
}

static struct sockaddr *address(struct sockaddr *into, const char *text) {
  struct sockaddr_in *in = (struct sockaddr_in *)into;
  memset(in, 0, sizeof *in);
  in->sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &in->sin_addr) != 1) fail(text);
  return into;
}

static void raise(int control, const char *name) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  set(control, SIOCGIFFLAGS, &request, "SIOCGIFFLAGS");
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  set(control, SIOCSIFFLAGS, &request, "SIOCSIFFLAGS");
}

// A device in this namespace, point to point, over which everything leads that is not local.
static int device(const char *namespace, const char *own, const char *other) {
  int file = open(namespace, O_RDONLY | O_CLOEXEC);
  if (file < 0 || setns(file, CLONE_NEWNET)) fail(namespace);
  close(file);
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (tun < 0 || control < 0) fail("/dev/net/tun");

  struct ifreq request = {0};
  strcpy(request.ifr_name, "link0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  set(tun, TUNSETIFF, &request, "TUNSETIFF");
  address(&request.ifr_addr, own);
  set(control, SIOCSIFADDR, &request, "SIOCSIFADDR");
  address(&request.ifr_dstaddr, other);
  set(control, SIOCSIFDSTADDR, &request, "SIOCSIFDSTADDR");
  request.ifr_mtu = MTU;
  set(control, SIOCSIFMTU, &request, "SIOCSIFMTU");
  raise(control, "lo");
  raise(control, "link0");

  struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = "link0"};
  address(&route.rt_dst, "0.0.0.0");
  address(&route.rt_genmask, "0.0.0.0");
  set(control, SIOCADDRT, &route, "SIOCADDRT");
  close(control);
  return tun;
}

// ---- Commands

// What is wrong with the line; NULL: nothing.
static const char *change(network *network, char *line) {
  struct {
    const char *name;
    double *value;
  } known[] = {{"loss", &network->loss}, {"dup", &network->dup}, {"reorder", &network->reorder}, {"delay", &network->delay}};
  for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
    char *value = strchr(word, '='), *end = NULL;
    if (value == NULL) return "a word without '='";
    *value++ = 0;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= 0)) return "a value that is no number";
    size_t index = 0;
    while (index < sizeof known / sizeof *known && strcmp(word, known[index].name)) index++;
    if (index == sizeof known / sizeof *known) return "an unknown parameter";
    *known[index].value = number;
  }
  return NULL;
}

static void obey(char *line, network *network, const direction *up, const direction *down) {
  line[strcspn(line, "\n")] = 0;
  if (!strcmp(line, "stats")) {
    printf("{\"up\":{\"in\":%lu,\"out\":%lu,\"lost\":%lu},\"down\":{\"in\":%lu,\"out\":%lu,\"lost\":%lu}}\n", up->in, up->out, up->lost,
           down->in, down->out, down->lost);
  } else {
    const char *wrong = change(network, line);
    printf("%s\n", wrong ? wrong : "ok");
  }
  fflush(stdout);
}

int main(int count, char **given) {
  if (count != 5) {
    fprintf(stderr, "usage: linkem NAMESPACE_A ADDRESS_A NAMESPACE_B ADDRESS_B\n");
    return 2;
  }
  int a = device(given[1], given[2], given[4]), b = device(given[3], given[4], given[2]);
  direction up = {.from = b, .to = a}, down = {.from = a, .to = b};
  up.heap = calloc(WAITING, sizeof(packet));
  down.heap = calloc(WAITING, sizeof(packet));
  if (up.heap == NULL || down.heap == NULL) fail("memory");
  network network = {0};
  direction *ways[] = {&up, &down};
  struct pollfd files[] = {{a, POLLIN, 0}, {b, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  unsigned char octets[MTU];
  char line[256];
  printf("up\n");
  fflush(stdout);
  for (;;) {
    uint64_t time = now(), next = time + 1000000;
    for (int index = 0; index < 2; index++) {
      deliver(ways[index], time);
      if (ways[index]->count && ways[index]->heap[0].at < next) next = ways[index]->heap[0].at;
    }
    uint64_t wait = next > time ? next - time : 0;
    struct timespec timeout = {wait / 1000000, wait % 1000000 * 1000};
    if (ppoll(files, 3, &timeout, NULL) <= 0) continue;
    for (int index = 0; index < 2; index++) {
      // Not all of one direction before the other has its turn.
      for (int turn = 0; turn < 64; turn++) {
        int length = read(ways[index]->from, octets, sizeof octets);
        if (length <= 0) break;
        if (octets[0] >> 4 == 4) take(ways[index], &network, octets, length);
      }
    }
    if (files[2].revents) {
      // One line for each answer: whoever asks waits for it.
      int length = read(STDIN_FILENO, line, sizeof line - 1);
      if (length <= 0) return 0;
      line[length] = 0;
      obey(line, &network, &up, &down);
    }
  }
}
