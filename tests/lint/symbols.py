#!/usr/bin/python3
"""symbols - floors 0 and 1 do no I/O: `nm -u` on their libraries shows no socket, file, clock, thread, libuv or OpenSSL symbol.

Where floors.py sees what is included, this sees what is called, whatever header it came by. Skipped before there is a build.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIBRARIES = ("base", "proto", "document", "mail", "engine", "filters")
FORBIDDEN = re.compile(
    r"^(uv_|SSL_|BIO_|pthread_|sem_|mtx_|thrd_|sqlite3_|"
    r"(socket|connect|bind|listen|accept4?|send|sendto|sendmsg|recv|recvfrom|recvmsg|getaddrinfo|poll|select|epoll_.*)$|"
    r"(open|openat|creat|fopen|fdopen|freopen|read|pread|write|pwrite|writev|fsync|fdatasync|rename|unlink|stat|fstat|opendir)(64)?$|"
    r"(time|clock|clock_gettime|gettimeofday|nanosleep|sleep|usleep|localtime(_r)?|gmtime(_r)?|mktime)$|"
    r"(rand|random|rand_r|drand48|getrandom|getentropy|arc4random.*)$|"
    r"(fork|vfork|execve?|system|popen|kill|getenv|setlocale|signal|sigaction)$)")
# expect.c ends the program with a message, which is no I/O that a simulation could miss.
ALLOWED = {"base": {"abort", "fprintf", "__fprintf_chk", "stderr", "fwrite"}}


def main():
    folder = ROOT / "build"
    archives = [(name, folder / f"libmw_{name}.a") for name in LIBRARIES if (folder / f"libmw_{name}.a").exists()]
    if not archives:
        print("there is no build yet")
        return 77
    problems = []
    for name, archive in archives:
        output = subprocess.run(["nm", "-u", "-A", str(archive)], capture_output=True, text=True, check=True).stdout
        for line in output.splitlines():
            where, symbol = line.rsplit(" U ", 1) if " U " in line else (line, "")
            symbol = symbol.strip().split("@")[0]
            if FORBIDDEN.match(symbol) and symbol not in ALLOWED.get(name, set()):
                problems.append(f"{where.strip().split(':')[-2]} ({name}) uses {symbol}")
    print("\n".join(problems) or "floors 0 and 1 do no I/O")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
