/* Each of two libraries with a cache `tiny` sees its own number of query heads: 4 and 8. */
#include <dlfcn.h>
#include <stdio.h>

#if defined(LOADED)
static int check(char **paths, int flags) {
  void *a = dlopen(paths[0], RTLD_NOW | flags), *b = dlopen(paths[1], RTLD_NOW | flags);
  if (!a || !b)
    return puts(dlerror()), 1;
  const long first = ((long (*)(void))dlsym(a, "a_heads"))(), second = ((long (*)(void))dlsym(b, "b_heads"))();
  printf("%ld %ld\n", first, second);
  const int wrong = first != 4 || second != 8 || !dlsym(a, "tiny_decode") || dlsym(a, "tiny_decode") == dlsym(b, "tiny_decode");
  dlclose(a);
  dlclose(b);
  return wrong;
}
int main(int count, char **arguments) {
  return count != 3 || check(arguments + 1, RTLD_LOCAL) || check(arguments + 1, RTLD_GLOBAL) || check(arguments + 1, RTLD_GLOBAL);
}
#else
long a_heads(void), b_heads(void);
int main(void) { return printf("%ld %ld\n", a_heads(), b_heads()) < 0 || a_heads() != 4 || b_heads() != 8; }
#endif
