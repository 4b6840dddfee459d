import sys

from letters import count


def main():
    print(count("".join(sys.argv[1:])))


if __name__ == "__main__":
    main()
